"""The calls of other libraries over `artvcs`: only the import lines of a script change."""
