//! Input data, the same on every machine: noise, text like source code, and model weights in half
//! precision.

/// Reproducible pseudo-random numbers (xorshift64*).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// A different sequence for each `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        // Similar seeds would begin with similar numbers, and zero would stay zero.
        let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mut random = Random((mixed ^ (mixed >> 29)) | 1);
        for _ in 0..4 {
            random.next();
        }
        random
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number from 0 to 1, never 0 itself.
    pub(crate) fn unit(&mut self) -> f32 {
        ((self.next() >> 40) as f32 + 1.0) / 16_777_216.0
    }

    /// Two numbers with the normal distribution of mean 0 and deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> (f32, f32) {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        let (sine, cosine) = (std::f32::consts::TAU * self.unit()).sin_cos();
        (radius * cosine, radius * sine)
    }

    /// Fills `bytes` with noise, which does not compress.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
    }
}

/// Noise of `size` bytes.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Random::new(seed).fill(&mut bytes);
    bytes
}

/// The bits of the half precision number (IEEE 754 binary16) nearest to `value`, or the even
/// one of two equally near.
pub(crate) fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude >= 0x4780_0000 {
        0x7c00
    } else if magnitude < 0x3880_0000 {
        // Below the smallest normal number, all steps are 2^-24.
        (f32::from_bits(magnitude) * 16_777_216.0).round_ties_even() as u16
    } else {
        let rebased = magnitude - (112 << 23);
        ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13) as u16
    };
    sign | half
}

/// Model weights of `size` bytes: half precision, little endian, deviation 0.02.
pub(crate) fn weights(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(size + 4);
    while bytes.len() < size {
        let (one, other) = random.normal();
        bytes.extend_from_slice(&half(one * 0.02).to_le_bytes());
        bytes.extend_from_slice(&half(other * 0.02).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Writes text that compresses about as well as source code.
#[derive(Debug)]
pub(crate) struct Author {
    words: Vec<String>,
}

const SYLLABLES: [&str; 24] = [
    "re", "con", "ta", "ble", "in", "dex", "ver", "sion", "par", "se", "wri", "ter", "buf", "fer",
    "no", "de", "ar", "gu", "ment", "sta", "te", "val", "ue", "path",
];

const KEYWORDS: [&str; 16] = [
    "let ",
    "if ",
    "return ",
    "for ",
    "match ",
    "pub fn ",
    "impl ",
    "use ",
    "self.",
    "Some(",
    "Ok(",
    "assert_eq!(",
    "// ",
    "&mut ",
    "struct ",
    "const ",
];

const ENDINGS: [&str; 8] = [";", " {", "}", ");", ",", "?;", " => {", ");"];

impl Author {
    /// Creates a writer with a few thousand words.
    pub(crate) fn new() -> Self {
        let mut random = Random::new(1);
        let word = |_| {
            let parts: Vec<&str> =
                (0..=random.below(3)).map(|_| SYLLABLES[random.below(SYLLABLES.len())]).collect();
            if random.below(5) == 0 { parts.join("_") } else { parts.concat() }
        };
        Author { words: (0..4000).map(word).collect() }
    }

    /// A file of `size` bytes.
    pub(crate) fn text(&self, seed: u64, size: usize) -> Vec<u8> {
        let mut random = Random::new(seed);
        let topic = random.below(self.words.len() - 120);
        let mut text = String::with_capacity(size + 200);
        let mut starts = Vec::new();
        let mut depth = 0;
        while text.len() < size {
            starts.push(text.len());
            // Source code often repeats text from a few lines above.
            if starts.len() > 4 && random.below(100) < 43 {
                let from = starts.len() - 2 - random.below((starts.len() - 2).min(30));
                let line = text[starts[from]..starts[from + 1]].to_owned();
                text.push_str(&line);
                continue;
            }
            self.line(&mut text, topic, &mut depth, &mut random);
        }
        let mut bytes = text.into_bytes();
        bytes.truncate(size);
        bytes
    }

    fn line(&self, text: &mut String, topic: usize, depth: &mut usize, random: &mut Random) {
        text.push_str(&"    ".repeat(*depth));
        text.push_str(KEYWORDS[random.below(KEYWORDS.len())]);
        for at in 0..=random.below(5) {
            if at > 0 {
                text.push_str([" ", ".", "(", " = ", "::", ", "][random.below(6)]);
            }
            // A file uses mostly the words of its own topic, and a few words everywhere.
            let reach = [8, 24, 120][random.below(3)];
            let word = match random.below(8) {
                0 => random.below(self.words.len()),
                _ => topic + random.below(reach),
            };
            text.push_str(&self.words[word]);
        }
        let ending = ENDINGS[random.below(ENDINGS.len())];
        match ending {
            " {" | " => {" => *depth = (*depth + 1).min(5),
            "}" => *depth = depth.saturating_sub(1),
            _ => {}
        }
        text.push_str(ending);
        text.push('\n');
    }
}
