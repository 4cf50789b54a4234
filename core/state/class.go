package state

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/parley-net/parley/core"
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

	thaw(c core.Codec, def *fieldDef, row []int64, blob []byte) any // its value in a snapshot, from a frozen row
	restore(c core.Codec, x any) error                              // thaw's other end, before the spawn
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

	blobCols []int // by blob: the column of its version, counted in a row

	members []member // what a snapshot shows
	posCol  int      // first column of the position, 0 if there is none

	maxRow    int // bytes of a row at most, without what travels once
	maxRows   int // of a chunk
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
func (c *class) maskLen() int { return (c.cols + 8) / 8 }

func (c *class) stride() int { return colFields + c.cols }

const (
	chunkBytes  = 960 // what the rows of one chunk take at most: a chunk fits one packet
	inlineBlob  = 64  // a blob up to here rides in the packet, if the class has room
	inlineSpawn = 256 // likewise what travels once
)

var (
	entityType   = reflect.TypeFor[Entity]()
	objectType   = reflect.TypeFor[Object]()
	positionType = reflect.TypeFor[Position2D]()
)

func newClass(t reflect.Type) *class {
	c := &class{name: t.Name(), typ: t}
	var errs []error
	if c.name == "" {
		c.name = t.String()
		errs = append(errs, fmt.Errorf("parley: class %s: the type of an object needs a name", t))
	}
	if t.Kind() != reflect.Struct {
		c.err = fmt.Errorf("parley: class %s: an object must be a struct that embeds state.Object", t)
		return c
	}
	if n := c.walk(t, nil, &errs); n != 1 {
		errs = append(errs, fmt.Errorf("parley: class %s: an object embeds state.Object once, by value; here are %d", c.name, n))
	}
	if n := slices.IndexFunc(c.fields, isPosition); n >= 0 && slices.ContainsFunc(c.fields[n+1:], isPosition) {
		errs = append(errs, fmt.Errorf("parley: class %s has two positions; an object has at most one Position2D", c.name))
	}
	if err := c.weigh(); err != nil {
		errs = append(errs, err)
	}
	c.listMembers()
	c.err = errors.Join(errs...)
	return c
}

// weigh computes what a row takes at most, and what else follows from that.
func (c *class) weigh() error {
	c.maxRow = c.maskLen() + 5 + 5 + 2 // no change, id, owner, length of what travels once
	for _, f := range c.fields {
		if f.quantum > 0 {
			c.maxRow += stepsSize
			continue
		}
		for _, s := range reflect.New(f.typ).Interface().(field).shape().sizes {
			c.maxRow += s
		}
	}
	c.maxRow += 12 * c.blobs // a version and a length
	if room := chunkBytes - inlineSpawn - c.maxRow; c.blobs > 0 && room > 0 {
		c.inlineMax = min(inlineBlob, room/c.blobs)
	}
	c.maxRow += c.inlineMax * c.blobs
	c.maxRows = max(1, chunkBytes/c.maxRow)
	if c.maxRow+inlineSpawn > chunkBytes {
		return fmt.Errorf("parley: class %s has %d synchronized values, which can take %d bytes; a packet has room for %d: put some of them together in one Var of a struct",
			c.name, c.cols, c.maxRow, chunkBytes-inlineSpawn)
	}
	return nil
}

func isPosition(f fieldDef) bool { return f.typ == positionType }

// Describe implements Part.
func (c *class) Describe() PartInfo {
	return PartInfo{Kind: "class", Name: c.name, Lines: c.lines, Err: c.err}
}

// check asks a codec that can tell beforehand whether the class's values travel.
func (c *class) check(codec core.Codec) error {
	for _, f := range c.plain {
		if err := supports(codec, f.typ); err != nil {
			return &ValueError{Field: f.name, Err: err}
		}
	}
	for _, f := range c.fields {
		if f.blob < 0 {
			continue
		}
		if err := supports(codec, reflect.New(f.typ).Interface().(field).shape().elem); err != nil {
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
