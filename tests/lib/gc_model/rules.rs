//! The rules of writers, readers and gc, each of which a variant of the protocol can lack.

/// A rule. The page `book/src/internals/garbage-proof.md` explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A push commits only if every pack that it relies on is live.
    W1,
    /// A push that leaves out content which the remote's refs reach plans again if an entry took
    /// content away.
    W2,
    /// Nobody adds a pack whose name is dead.
    W3,
    /// A plan expires before the grace of an entry that it does not know, and a push checks the log
    /// after its entry.
    W4,
    /// The age of a plan counts from the plan. Without this rule, it counts from the last time that
    /// the plan was compared with the log.
    W4FromPlan,
    /// Readers search retired packs too.
    V2,
    /// An entry of gc counts only directly behind the entries that gc read.
    G1,
    /// A pack is named as deleted only after the grace of its retirement.
    G2,
    /// Before gc names packs as deleted, it computes again which of them are needed.
    G3,
    /// Only packs that the log names as deleted are deleted.
    G4,
    /// A pack is deleted only after the grace of the entry that names it as deleted.
    G5,
    /// A removed ref counts as a ref until the grace of the entry that removed it.
    G8,
    /// An entry that names a pack as deleted names the entry that retired the pack. Without this
    /// rule, it names the entry that added the pack again.
    G9,
}

/// A set of rules for one of the two kinds of log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    bits: u16,
    /// True if each number has one entry; false if entries can be siblings.
    pub(crate) is_linear: bool,
}

impl Rules {
    /// The rules that suffice if each number has one entry. No rule needs a clock.
    pub(crate) fn linear() -> Self {
        Rules { bits: 0, is_linear: true }.with(&[Rule::W1, Rule::W2, Rule::W3, Rule::G1, Rule::G4])
    }

    /// The rules that suffice if entries can be siblings.
    pub(crate) fn siblings() -> Self {
        let pushes = [Rule::W1, Rule::W2, Rule::W3, Rule::W4, Rule::W4FromPlan, Rule::V2];
        let gcs = [Rule::G2, Rule::G3, Rule::G4, Rule::G5, Rule::G8, Rule::G9];
        Rules { bits: 0, is_linear: false }.with(&pushes).with(&gcs)
    }

    /// The same rules and `rules`.
    pub(crate) fn with(self, rules: &[Rule]) -> Self {
        let bits = rules.iter().fold(self.bits, |bits, rule| bits | 1 << *rule as u16);
        Rules { bits, ..self }
    }

    /// The same rules except `rules`, each of which must be among them.
    pub(crate) fn without(self, rules: &[Rule]) -> Self {
        let dropped = Rules { bits: 0, ..self }.with(rules).bits;
        assert_eq!(self.bits & dropped, dropped, "{rules:?} must be among the rules");
        Rules { bits: self.bits & !dropped, ..self }
    }

    pub(crate) fn has(self, rule: Rule) -> bool {
        self.bits >> rule as u16 & 1 == 1
    }
}
