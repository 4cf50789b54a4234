package state

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/shape"
	"github.com/parley-net/parley/core/internal/wire"
)

// Class is the part of a Schema that describes objects of type T, a struct that
// embeds Object:
//
//	state.NewSchema(state.Class[Knight](), state.Class[Barbarian]())
//
// Fields of type Var and Position2D synchronize. Other exported fields travel once,
// as they are at Spawn; `parley:"-"` keeps one at home, and unexported fields stay
// at home by themselves. `parley:"quantum=0.01"` on a Var of a float rounds it to
// multiples of 0.01, which makes its differences short.
func Class[T any, P interface {
	*T
	Entity
}]() Part {
	return newClass(reflect.TypeFor[T]())
}

// field is a synchronized field of an object: a *Var or a *Position2D.
type field interface {
	shape() fieldShape // of the type; called on a zero value, when the class is made
	bind(o *Object, def *fieldDef)
	write(row []int64) error // the initial values of a spawning object, and its blobs
	recv(col int, v int64)   // a number arrived; col counts within the field
	recvBlob(b []byte) error // a blob arrived
	fire()                   // run the hooks for what arrived
}

// fieldShape says what a field is on the wire.
type fieldShape struct {
	desc  string // for the schema's text
	sizes []int  // of its columns, at most, on the wire; nil for a blob
	elem  reflect.Type
	float bool // may have a quantum
}

type fieldDef struct {
	name    string // as a person would write it: "Knight.Health"
	index   []int
	typ     reflect.Type // of the field's value (without pointer)
	col     int          // first column of a row, behind id and owner
	cols    int
	blob    int // number among the class's blobs, or -1
	quantum float64
}

type class struct {
	name   string
	typ    reflect.Type
	err    error
	lines  []string
	fields []fieldDef // in declaration order
	plain  []fieldDef // travel once
	cols   int        // columns of all fields
	at     []colField // by column, without id and owner
	blobs  int
	number int // within its Schema; set by NewSchema

	maxRow    int // bytes of a row at most, without what travels once
	inlineMax int // blobs up to here ride in the packet, longer ones travel Reliable
}

// colField says what a column belongs to.
type colField struct {
	field int // number of the field
	sub   int // number of the column within the field
	blob  int // number of the blob, or -1
}

// The layout of a row of columns.
const (
	colID = iota
	colOwner
	colFields
)

// maskLen is the length in bytes of a mask of a row's columns, the owner's first.
func (c *class) maskLen() int { return (1 + c.cols + 7) / 8 }

func (c *class) stride() int { return colFields + c.cols }

const (
	chunkBytes   = 960 // what the rows of one chunk take at most: a chunk fits one packet
	inlineBlob   = 64  // a blob up to here rides in the packet, if the class has room
	inlineSpawn  = 256 // likewise what travels once
	maxChunkRows = 128
)

var (
	fieldType    = reflect.TypeFor[field]()
	entityType   = reflect.TypeFor[Entity]()
	objectType   = reflect.TypeFor[Object]()
	positionType = reflect.TypeFor[Position2D]()
)

func newClass(t reflect.Type) *class {
	c := &class{name: t.Name(), typ: t}
	if t.Kind() != reflect.Struct {
		c.err = fmt.Errorf("parley: class %s: an object must be a struct that embeds state.Object", t)
		return c
	}
	var errs []error
	c.walk(t, nil, &errs)
	if n := slices.IndexFunc(c.fields, isPosition); n >= 0 && slices.ContainsFunc(c.fields[n+1:], isPosition) {
		errs = append(errs, fmt.Errorf("parley: class %s has two positions; an object has at most one Position2D", c.name))
	}
	c.maxRow = 5 + 5 + 2 + c.maskLen() // id, owner, a mask and what replaces it
	for _, f := range c.fields {
		for _, s := range reflect.New(f.typ).Interface().(field).shape().sizes {
			c.maxRow += s
		}
	}
	c.maxRow += 12 * c.blobs // a version and a length
	if room := chunkBytes - inlineSpawn - c.maxRow; c.blobs > 0 && room > 0 {
		c.inlineMax = min(inlineBlob, room/c.blobs)
	}
	c.maxRow += c.inlineMax * c.blobs
	if c.maxRow+inlineSpawn > chunkBytes {
		errs = append(errs, fmt.Errorf("parley: class %s has %d synchronized values, which can take %d bytes; a packet has room for %d: put some of them together in one Var of a struct",
			c.name, c.cols, c.maxRow, chunkBytes-inlineSpawn))
	}
	c.err = errors.Join(errs...)
	return c
}

func isPosition(f fieldDef) bool { return f.typ == positionType }

// walk collects the fields of t, those of embedded structs among them.
func (c *class) walk(t reflect.Type, at []int, errs *[]error) {
	for f := range t.Fields() {
		index := append(append([]int(nil), at...), f.Index...)
		name := c.name + "." + f.Name
		tag := f.Tag.Get("parley")
		switch {
		case f.Type == objectType && f.Anonymous, tag == "-":
		case !f.IsExported() && !f.Anonymous && holdsField(f.Type):
			*errs = append(*errs, fmt.Errorf("parley: %s synchronizes only if its name is exported (or keep it at home with `parley:\"-\"`)", name))
		case f.Anonymous && f.Type.Kind() == reflect.Struct && (holdsField(f.Type) || reflect.PointerTo(f.Type).Implements(entityType)):
			c.walk(f.Type, index, errs)
		case !f.IsExported():
		case reflect.PointerTo(f.Type).Implements(fieldType):
			c.addField(name, f, index, tag, errs)
		case holdsField(f.Type):
			*errs = append(*errs, fmt.Errorf("parley: %s holds a Var or Position2D, which synchronizes only as a field of the object itself or of a struct embedded in it", name))
		case f.Type.Implements(entityType):
			*errs = append(*errs, fmt.Errorf("parley: %s is a pointer to an object, which cannot travel: use state.Ref", name))
		default:
			if tag != "" {
				*errs = append(*errs, fmt.Errorf("parley: %s: unknown tag `parley:%q`", name, tag))
			}
			c.plain = append(c.plain, fieldDef{name: name, index: index, typ: f.Type})
			c.lines = append(c.lines, fmt.Sprintf("%s: %s at spawn", name, shape.Of(f.Type)))
		}
	}
}

func (c *class) addField(name string, f reflect.StructField, index []int, tag string, errs *[]error) {
	s := reflect.New(f.Type).Interface().(field).shape()
	def := fieldDef{name: name, index: index, typ: f.Type, col: colFields + c.cols, cols: max(1, len(s.sizes)), blob: -1}
	if s.sizes == nil {
		def.blob = c.blobs
		c.blobs++
	}
	line := name + ": " + s.desc
	if tag != "" {
		q, found := strings.CutPrefix(tag, "quantum=")
		v, err := strconv.ParseFloat(q, 64)
		if !found || err != nil || !(v > 0) || !s.float {
			*errs = append(*errs, fmt.Errorf("parley: %s: tag `parley:%q`: want quantum=NUMBER above 0, on a Var of a float", name, tag))
		}
		def.quantum = v
		line += " in steps of " + q
	}
	c.cols += def.cols
	for sub := range def.cols {
		c.at = append(c.at, colField{field: len(c.fields), sub: sub, blob: def.blob})
	}
	c.fields = append(c.fields, def)
	c.lines = append(c.lines, line)
}

// holdsField reports whether t is, or has inside, a synchronized field.
func holdsField(t reflect.Type) bool { return holds(t, make(map[reflect.Type]bool)) }

func holds(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if reflect.PointerTo(t).Implements(fieldType) {
		return true
	}
	switch t.Kind() {
	case reflect.Array, reflect.Slice:
		return holds(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if holds(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// Describe implements Part.
func (c *class) Describe() PartInfo {
	return PartInfo{Kind: "class", Name: c.name, Lines: c.lines, Err: c.err}
}

// check asks a codec that can tell beforehand whether the class's values travel.
func (c *class) check(codec core.Codec) error {
	s, ok := codec.(interface{ Supports(reflect.Type) error })
	if !ok {
		return nil
	}
	for _, f := range c.plain {
		if err := s.Supports(f.typ); err != nil {
			return &ValueError{Field: f.name, Err: err}
		}
	}
	for _, f := range c.fields {
		if f.blob < 0 {
			continue
		}
		if err := s.Supports(reflect.New(f.typ).Interface().(field).shape().elem); err != nil {
			return &ValueError{Field: f.name, Err: err}
		}
	}
	return nil
}

// appendSpawn encodes what travels once of the object v points at.
func (c *class) appendSpawn(codec core.Codec, dst []byte, v reflect.Value) ([]byte, error) {
	start := len(dst)
	for _, f := range c.plain {
		var err error
		if dst, err = codec.Append(dst, v.FieldByIndex(f.index).Addr().Interface()); err != nil {
			return dst[:start], &ValueError{Field: f.name, Err: err}
		}
	}
	for _, f := range c.fields {
		if f.typ == positionType {
			dst = v.FieldByIndex(f.index).Addr().Interface().(*Position2D).appendConfig(dst)
		}
	}
	if n := len(dst) - start; n > MaxValue {
		return dst[:start], &ValueError{Field: c.name, Err: tooLong(n)}
	}
	return dst, nil
}

// readSpawn is appendSpawn's other end.
func (c *class) readSpawn(codec core.Codec, b []byte, v reflect.Value) error {
	for _, f := range c.plain {
		var err error
		if b, err = codec.Decode(b, v.FieldByIndex(f.index).Addr().Interface()); err != nil {
			return &ValueError{Field: f.name, Err: err}
		}
	}
	r := wire.NewReader(b)
	for _, f := range c.fields {
		if f.typ == positionType {
			v.FieldByIndex(f.index).Addr().Interface().(*Position2D).readConfig(&r)
		}
	}
	return r.End()
}
