//! Writes a policy as its table.

use toml::{Table, Value};

use super::{Policy, StageRules};

impl Policy {
    /// Returns the complete table `[policy]`, including the default stages.
    pub fn to_table(&self) -> Table {
        let mut table = Table::new();
        table.insert("stages".to_owned(), list(&self.stages));
        if let Some(moves) = &self.moves {
            table.insert("moves".to_owned(), list(moves));
        }
        let mut stages = Table::new();
        for (stage, rules) in &self.stage {
            stages.insert(stage.to_string(), Value::Table(rules.to_table()));
        }
        if !stages.is_empty() {
            table.insert("stage".to_owned(), Value::Table(stages));
        }
        table
    }
}

impl StageRules {
    fn to_table(&self) -> Table {
        let flag = |is: bool| is.then_some(Value::Boolean(true));
        let values = [
            ("reason", flag(self.reason)),
            ("message", flag(self.message)),
            ("description", flag(self.description)),
            ("tags", (!self.tags.is_empty()).then(|| list(self.tags.iter()))),
            ("run_status", (!self.run_status.is_empty()).then(|| list(&self.run_status))),
            ("min_files", self.min_files.map(|number| Value::Integer(number.get().into()))),
            ("after", (!self.after.is_empty()).then(|| list(&self.after))),
            ("who", (!self.who.is_empty()).then(|| list(&self.who))),
            ("capacity", self.capacity.map(|number| Value::Integer(number.get().into()))),
            ("displaced", self.displaced.as_ref().map(|stage| Value::String(stage.to_string()))),
        ];
        let some = values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        some.collect()
    }
}

fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> Value {
    values.into_iter().map(|value| Value::String(value.to_string())).collect::<Vec<_>>().into()
}
