package conformance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/laws.md anew")

//go:generate go test -run TestBook -update

const bookPath = "../docs/laws.md"

// chapter appends the laws of one contract to the book, each with its mutants.
func chapter[S any](b *strings.Builder, title, intro string, laws []law[S], mutants map[string][]string) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n", title, intro)
	group := ""
	for _, l := range laws {
		if g, _, _ := strings.Cut(l.name, "/"); g != group {
			group = g
			fmt.Fprintf(b, "\n### %s\n\n", g)
		}
		fmt.Fprintf(b, "- **%s.** %s\n", l.name, l.says)
		if m := mutants[l.name]; len(m) > 0 {
			fmt.Fprintf(b, "  *Caught:* one that %s.\n", strings.Join(m, "; one that "))
		}
	}
}

// book is docs/laws.md.
func book() string {
	var b strings.Builder
	b.WriteString(`# The laws

Package [conformance](../conformance) puts them to an adapter, each as a subtest of its name. Behind each stand the broken
adapters that the suite's own tests hold it to catch; [adapters.md](adapters.md) says how to write one that passes.

This file is generated: ` + "`go generate ./conformance`" + `.
`)
	of := make(map[string][]string)
	for _, m := range mutants() {
		for _, name := range m.laws {
			of[name] = append(of[name], m.says)
		}
	}
	chapter(&b, "Transports", "What `conformance.TestTransport` holds.", transportLaws(), of)
	of = make(map[string][]string)
	for _, m := range codecMutants() {
		of[m.law] = append(of[m.law], m.says)
	}
	chapter(&b, "Codecs", "What `conformance.TestCodec` holds.", codecLaws(), of)
	of = make(map[string][]string)
	for _, m := range sinkMutants() {
		of[m.law] = append(of[m.law], m.says)
	}
	chapter(&b, "Sinks", "What `conformance.TestSink` holds.", sinkLaws(), of)
	return b.String()
}

// TestBook holds that docs/laws.md is what the laws are.
func TestBook(t *testing.T) {
	want := book()
	if *update {
		if err := os.WriteFile(bookPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(bookPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/laws.md is out of date: go generate ./conformance")
	}
}

// TestExampleIsShort holds what docs/adapters.md promises of examples/adapter.
func TestExampleIsShort(t *testing.T) {
	files, err := filepath.Glob("../examples/adapter/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	lines := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(text), "\n")
	}
	if lines >= 150 {
		t.Errorf("examples/adapter has %d lines, want less than 150", lines)
	}
}
