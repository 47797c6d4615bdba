//! `art completions`.

use insta::assert_snapshot;

use crate::common::Sandbox;

#[test]
fn completions_name_the_verbs() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = sandbox.art(&format!("completions {shell}")).ok();
        assert!(output.stdout.contains("completions"), "{output}");
        assert!(output.stdout.contains("lock-timeout"), "{output}");
    }
}

#[test]
fn bash_reads_its_completions_and_completes_a_verb() {
    let sandbox = Sandbox::new();
    let script = sandbox.write("art.bash", sandbox.art("completions bash").ok().stdout);
    let ask = format!(
        ". '{}'; COMP_WORDS=(art compl); COMP_CWORD=1; _art art compl art; echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let answer = sandbox.program("bash").arg("-c").arg(ask).run().ok();
    assert_eq!(answer.stdout.trim(), "completions");
}

#[test]
fn completions_refuses_a_shell_it_does_not_know() {
    assert_snapshot!(Sandbox::new().art("completions fisch"), @"
    exit 2
    -- stderr
    error: invalid value 'fisch' for '<SHELL>' [possible values: bash, elvish, fish, powershell, zsh]

    hint: did you mean 'fish'?
    ");
}
