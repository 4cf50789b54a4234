package state

import (
	"errors"
	"strings"
	"testing"
)

type call struct {
	name  string
	lines []string
	err   error
}

func (c *call) Describe() PartInfo {
	return PartInfo{Kind: "call", Name: c.name, Lines: c.lines, Err: c.err}
}

func TestSchema(t *testing.T) {
	kick, pass := &call{name: "kick", lines: []string{"to server, int"}}, &call{name: "pass"}
	a := NewSchema(kick, Class[tiny](), pass, Class[bare]())
	b := NewSchema(pass, Class[bare](), kick, Class[tiny]())
	want := "call kick\n  to server, int\ncall pass\nclass bare\nclass tiny\n  tiny.Title: string at spawn\n  tiny.On: Var of bool\n"
	if a.Err() != nil || a.Text() != want || a.Text() != b.Text() || a.Hash() != b.Hash() || len(a.Hash()) != 16 {
		t.Errorf("%v, hash %s and %s:\n%s", a.Err(), a.Hash(), b.Hash(), a.Text())
	}
	if n, ok := a.Number(pass); n != 1 || !ok || a.Part(1) != pass {
		t.Errorf("pass is number %d, %v", n, ok)
	}
	if n, ok := a.Number(&call{name: "pass"}); ok {
		t.Errorf("a part that is not in the schema is number %d", n)
	}
	if a.Part(-1) != nil || a.Part(4) != nil {
		t.Error("a part beyond the last")
	}
	if c := NewSchema(kick, Class[tiny](), pass); c.Hash() == a.Hash() {
		t.Error("different schemas have one hash")
	}
}

func TestSchemaErrors(t *testing.T) {
	var none *Schema
	if err := none.Err(); err == nil || !strings.Contains(err.Error(), "state.NewSchema") {
		t.Errorf("no schema: %v", err)
	}
	bad := errors.New("this call is bad")
	err := NewSchema(nil, &call{name: "a", err: bad}, &call{name: "b"}, &call{name: "b"}).Err()
	if !errors.Is(err, bad) || !strings.Contains(err.Error(), "a part is nil") || !strings.Contains(err.Error(), "two parts call b") {
		t.Errorf("error: %v", err)
	}
}

func TestDiff(t *testing.T) {
	for _, c := range []struct{ name, server, client, want string }{
		{"equal", "class A\n  A.X: Var of int\n", "class A\n  A.X: Var of int\n", ""},
		{"both empty", "", "", ""},
		{"a field of another type", "class A\n  A.X: Var of int32\n  A.Y: Var of int\n", "class A\n  A.X: Var of int\n  A.Y: Var of int\n",
			"class A\n  server: A.X: Var of int32\n  client: A.X: Var of int\n"},
		{"a field more", "class A\n  A.X: Var of int\n", "class A\n", "class A\n  server: A.X: Var of int\n"},
		{"a part more on each", "call kick\nclass A\n", "call pass\nclass A\n", "call kick: only the server has it\ncall pass: only the client has it\n"},
		{"another order", "class A\n  A.X: Var of int\n  A.Y: Var of int\n", "class A\n  A.Y: Var of int\n  A.X: Var of int\n",
			"class A\n  the same lines in another order\n"},
		{"nonsense", "  x\n\n", "\x00", "\x00: only the client has it\n: only the server has it\n"},
	} {
		got := Diff(c.server, c.client)
		if c.name == "nonsense" {
			if got == "" {
				t.Errorf("%s: no difference", c.name)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s:\n%swant:\n%s", c.name, got, c.want)
		}
	}
}
