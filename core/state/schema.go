package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/parley-net/parley/core"
)

// Part is one entry of a Schema: a class of objects (Class), or a call or an event
// of package rpc.
type Part interface {
	// Describe says what the part is. Two builds whose parts describe themselves
	// alike understand each other.
	Describe() PartInfo
}

// PartInfo describes a Part.
type PartInfo struct {
	Kind  string   // "class", "call", "event"
	Name  string   // unique among the parts of its kind
	Lines []string // what must be alike in both builds, for people to read
	Err   error    // why it cannot be used, or nil

	// On is the class of objects that the part is about, a pointer to a struct that
	// must be in the schema too; nil or an interface for none in particular.
	On reflect.Type
	// Types are the types that the codec must carry for it.
	Types []reflect.Type
}

// Schema lists what server and clients share. It is made once, usually in a
// variable of the package that both import, and does not change.
type Schema struct {
	parts   []Part // sorted by kind and name: a part's number is its place here
	numbers map[Part]int
	classes []*class
	byType  map[reflect.Type]*class
	byName  map[string]*class
	text    string
	err     error
}

// NewSchema makes a Schema of its parts, in any order. What is wrong with it, such
// as two classes of one name, is reported by Err, and by everything that takes the
// Schema.
func NewSchema(parts ...Part) *Schema {
	s := &Schema{numbers: make(map[Part]int), byType: make(map[reflect.Type]*class), byName: make(map[string]*class)}
	type entry struct {
		part Part
		info PartInfo
	}
	var entries []entry
	var errs []error
	for _, p := range parts {
		if p == nil {
			errs = append(errs, errors.New("parley: schema: a part is nil"))
			continue
		}
		info := p.Describe()
		errs = append(errs, info.Err)
		entries = append(entries, entry{p, info})
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return strings.Compare(a.info.Kind+" "+a.info.Name, b.info.Kind+" "+b.info.Name)
	})
	var text strings.Builder
	for i, e := range entries {
		if i > 0 && e.info.Kind == entries[i-1].info.Kind && e.info.Name == entries[i-1].info.Name {
			errs = append(errs, fmt.Errorf("parley: schema: there are two parts %s %s", e.info.Kind, e.info.Name))
		}
		s.parts = append(s.parts, e.part)
		s.numbers[e.part] = i
		fmt.Fprintf(&text, "%s %s\n", e.info.Kind, e.info.Name)
		for _, line := range e.info.Lines {
			fmt.Fprintf(&text, "  %s\n", line)
		}
		if c, ok := e.part.(*class); ok {
			c := *c // a class may stand in several schemas, under other numbers
			c.number = len(s.classes)
			s.classes = append(s.classes, &c)
			s.byType[c.typ] = &c
			s.byName[c.name] = &c
		}
	}
	for _, e := range entries {
		if on := e.info.On; on != nil && on.Kind() == reflect.Pointer && s.byName[on.Elem().Name()] == nil {
			errs = append(errs, fmt.Errorf("parley: schema: %s %s is on class %s, which is missing: add state.Class[%s]()",
				e.info.Kind, e.info.Name, on.Elem().Name(), on.Elem().Name()))
		}
	}
	s.text = text.String()
	s.err = errors.Join(errs...)
	return s
}

// Err returns what is wrong with the schema, or nil.
func (s *Schema) Err() error {
	if s == nil {
		return errors.New("parley: no schema: list the game's classes and calls with state.NewSchema")
	}
	return s.err
}

// Hash returns a short text that is equal for two schemas exactly if their Texts are.
func (s *Schema) Hash() string {
	sum := sha256.Sum256([]byte(s.text))
	return hex.EncodeToString(sum[:8])
}

// Text returns the schema for people: each part with its lines.
func (s *Schema) Text() string { return s.text }

// Number returns the number that stands for p on the wire, and false if p is not
// a part of the schema.
func (s *Schema) Number(p Part) (int, bool) {
	n, ok := s.numbers[p]
	return n, ok
}

// Part returns the part with a number, nil if there is none.
func (s *Schema) Part(number int) Part {
	if number < 0 || number >= len(s.parts) {
		return nil
	}
	return s.parts[number]
}

// Diff compares two schemas' Texts and returns, line by line, what only one of
// them has, "" if they are equal.
//
//	class Knight
//	  server: Knight.Health: Var of int32
//	  client: Knight.Health: Var of int
func Diff(server, client string) string {
	a, b := sections(server), sections(client)
	var out strings.Builder
	for _, head := range mergedHeads(a, b) {
		sa, inA := a.lines[head]
		sb, inB := b.lines[head]
		switch {
		case !inB:
			fmt.Fprintf(&out, "%s: only the server has it\n", head)
		case !inA:
			fmt.Fprintf(&out, "%s: only the client has it\n", head)
		case !slices.Equal(sa, sb):
			fmt.Fprintf(&out, "%s\n", head)
			before := out.Len()
			for _, l := range sa {
				if !slices.Contains(sb, l) {
					fmt.Fprintf(&out, "  server: %s\n", l)
				}
			}
			for _, l := range sb {
				if !slices.Contains(sa, l) {
					fmt.Fprintf(&out, "  client: %s\n", l)
				}
			}
			if out.Len() == before {
				out.WriteString("  the same lines in another order\n")
			}
		}
	}
	return out.String()
}

type section struct {
	heads []string
	lines map[string][]string
}

func sections(text string) section {
	s := section{lines: make(map[string][]string)}
	var head string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if rest, ok := strings.CutPrefix(line, "  "); ok {
			s.lines[head] = append(s.lines[head], rest)
			continue
		}
		head = line
		if _, seen := s.lines[head]; !seen {
			s.heads = append(s.heads, head)
			s.lines[head] = nil
		}
	}
	return s
}

func mergedHeads(a, b section) []string {
	heads := append(slices.Clone(a.heads), b.heads...)
	slices.Sort(heads)
	return slices.Compact(heads)
}

// checkTypes asks the codec about what the parts other than classes need.
func (s *Schema) checkTypes(codec core.Codec) error {
	for _, p := range s.parts {
		info := p.Describe()
		for _, t := range info.Types {
			if err := supports(codec, t); err != nil {
				return fmt.Errorf("parley: %s %s: %w", info.Kind, info.Name, err)
			}
		}
	}
	return nil
}

// supports asks a codec that can tell beforehand whether values of a type travel.
func supports(codec core.Codec, t reflect.Type) error {
	if c, ok := codec.(interface{ Supports(reflect.Type) error }); ok {
		return c.Supports(t)
	}
	return nil
}
