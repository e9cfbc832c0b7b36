package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/commands.md anew")

// commands returns all commands of the tree that a user may give, in its order.
func commands(c *cobra.Command) (all []*cobra.Command) {
	if !c.Hidden && c.Name() != "help" {
		all = append(all, c)
	}
	for _, x := range c.Commands() {
		all = append(all, commands(x)...)
	}
	return all
}

// TestEveryCommandShowsExamples: also that it says what it is, in a short line without a full stop.
func TestEveryCommandShowsExamples(t *testing.T) {
	for _, c := range commands(newRoot()) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short description %q", c.CommandPath(), c.Short)
		}
		if c.HasSubCommands() && c.HasParent() && c.Name() != "hub" || !c.Runnable() {
			continue // a group, or a topic of help
		}
		lines := exampleLines(c)
		if len(lines) == 0 {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for _, line := range lines {
			if !strings.HasPrefix(line, "komstream ") {
				t.Errorf("%s: example %q is no command line", c.CommandPath(), line)
			}
		}
	}
}

func exampleLines(c *cobra.Command) (lines []string) {
	for line := range strings.Lines(c.Example) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// elsewhere are commands whose examples are not run by the script examples, and why.
var elsewhere = map[string]string{
	"komstream":       "its examples are those of the others",
	"komstream demo":  "the script demo runs it for seconds",
	"komstream bench": "it takes minutes",
}

// TestEveryExampleIsRun looks for each command in the script that runs their examples.
func TestEveryExampleIsRun(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "script", "examples.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands(newRoot()) {
		if len(exampleLines(c)) == 0 || elsewhere[c.CommandPath()] != "" {
			continue
		}
		line := "examples " + strings.TrimPrefix(c.CommandPath(), "komstream ") + "\n"
		found := bytes.Contains(text, []byte("\n"+line))
		for l := range strings.Lines(string(text)) {
			found = found || strings.HasPrefix(l, "examples-until ") && strings.HasSuffix(l, " "+strings.TrimPrefix(line, "examples "))
		}
		if !found {
			t.Errorf("the script examples does not run those of %s", c.CommandPath())
		}
	}
}

// examples COMMAND… runs all examples of a command as a shell does. URLs and ids in them are replaced by those of the
// files url and id, and hubs listen on a free port.
func examples(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: examples COMMAND…")
	}
	for _, line := range exampleLinesOf(ts, args) {
		ts.Check(ts.Exec("sh", "-e", "-c", line))
	}
}

// examples-until TEXT COMMAND… does the same with commands that go on until they are interrupted, which
// happens when they have written the text.
func examplesUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: examples-until TEXT COMMAND…")
	}
	for _, line := range exampleLinesOf(ts, args[1:]) {
		ts.Check(ts.Exec("sh", "-e", "-c", fmt.Sprintf(
			"rm -f written; %s >written 2>&1 & pid=$!; while kill -0 $pid 2>/dev/null && ! grep -qs '^%s' written; do sleep 0.05; done; "+
				"kill -TERM $pid || cat written; wait $pid", line, args[0])))
	}
}

func exampleLinesOf(ts *testscript.TestScript, path []string) []string {
	c, rest, err := newRoot().Find(path)
	if err != nil || len(rest) > 0 {
		ts.Fatalf("there is no command %q", path)
	}
	lines := exampleLines(c)
	replace := []string{}
	for file, example := range map[string]string{"url": "http://127.0.0.1:7650", "id": "6f1c0a52d94b4f0f8e0b6c1f7a9d3e25"} {
		if text, err := os.ReadFile(ts.MkAbs(file)); err == nil {
			replace = append(replace, example, strings.TrimSpace(string(text)))
		}
	}
	replacer := strings.NewReplacer(append(replace,
		"--listen-tls :443", "--listen-tls 127.0.0.1:0")...)
	for i := range lines {
		lines[i] = replacer.Replace(lines[i])
		if c.Name() == "hub" && !strings.Contains(lines[i], "--listen") {
			lines[i] += " --listen 127.0.0.1:0"
		}
	}
	return lines
}

// TestCommandsPage holds docs/commands.md to the commands.
func TestCommandsPage(t *testing.T) {
	got := commandsPage()
	path := filepath.Join("..", "..", "docs", "commands.md")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what the commands say: go test ./cmd/komstream -run TestCommandsPage -update", path)
	}
}

func commandsPage() string {
	var b strings.Builder
	b.WriteString("# Commands\n\nThis page is written by a test from what `komstream --help` says.\n")
	root := newRoot()
	root.InitDefaultHelpFlag()
	for _, c := range commands(root) {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
		if c.Long != "" {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", c.Long)
		}
		if !c.Runnable() {
			continue
		}
		if c.HasParent() {
			fmt.Fprintf(&b, "\n    %s\n", c.UseLine())
		}
		if flags := flagLines(c.NonInheritedFlags()); flags != "" {
			fmt.Fprintf(&b, "\n%s", flags)
		}
		if lines := exampleLines(c); len(lines) > 0 {
			fmt.Fprintf(&b, "\nExamples:\n\n    %s\n", strings.Join(lines, "\n    "))
		}
	}
	return b.String()
}

func flagLines(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name, use := pflag.UnquoteUsage(f)
		if name != "" {
			name = " " + name
		}
		fmt.Fprintf(&b, "- `--%s%s`: %s", f.Name, name, use)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" {
			fmt.Fprintf(&b, " (default %s)", f.DefValue)
		}
		b.WriteString("\n")
	})
	return b.String()
}

// TestAdministrationPage holds the command lines of the pages for administrators to the commands: each exists, and so
// do its flags and the number of its arguments. The examples of --help, which are most of them, are run.
func TestAdministrationPage(t *testing.T) {
	lines := 0
	for _, file := range []string{"administration.md", "komstream.service"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "# "), "ExecStart=/usr/local/bin/")
			rest, is := strings.CutPrefix(line, "komstream ")
			if !is || strings.Contains(line, "`") {
				continue
			}
			lines++
			args := strings.Fields(strings.ReplaceAll(rest, "''", `""`))
			c, args, err := newRoot().Find(args)
			if err == nil {
				err = c.ParseFlags(args)
			}
			if err == nil && c.Args != nil {
				err = c.Args(c, c.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %q: %v", file, line, err)
			}
		}
	}
	if lines < 20 {
		t.Errorf("%d command lines were found", lines)
	}
}
