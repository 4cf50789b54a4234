package codec

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"github.com/parley-net/parley/core"
)

// fault is an error on its way up: each level that it leaves puts its own place
// in front of the path.
type fault struct {
	kind error // core.ErrMalformed or core.ErrUnsupported
	path string
	cut  bool // the path has grown long and lacks its start
	text string
	err  error // the cause, or nil
}

const maxPath = 200

func malformed(format string, args ...any) *fault {
	return &fault{kind: core.ErrMalformed, text: fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) *fault {
	return &fault{kind: core.ErrUnsupported, text: fmt.Sprintf(format, args...)}
}

// in puts a place in front, as long as the path is short enough to be read.
func (f *fault) in(place string) *fault {
	switch {
	case len(f.path) < maxPath:
		f.path = place + f.path
	case !f.cut:
		f.path, f.cut = "…"+f.path, true
	}
	return f
}

func (f *fault) at(i int) *fault { return f.in("[" + strconv.Itoa(i) + "]") }

func (f *fault) key(k string) *fault { return f.in("[" + quote(k) + "]") }

// quote shortens what a peer chose.
func quote(s string) string {
	if len(s) > 32 {
		s = s[:32] + "…"
	}
	return strconv.Quote(s)
}

// error turns the fault into what callers see; root is the type that the path
// starts from.
func (f *fault) error(root reflect.Type) error {
	if f.err != nil {
		return core.Errorf(f.kind, "codec: %s%s: %s: %w", root, f.path, f.text, f.err)
	}
	return core.Errorf(f.kind, "codec: %s%s: %s", root, f.path, f.text)
}

// wrong says that the bytes are not what the place asks for.
func wrong(want string, b []byte) *fault {
	if len(b) == 0 {
		return malformed("want %s, but the bytes end", want)
	}
	return malformed("want %s, found %s", want, found(b))
}

// found describes the object at the front of b, which is not empty.
func found(b []byte) string {
	switch t := msgp.NextType(b); t {
	case msgp.InvalidType:
		return "the byte 0xc1, which starts nothing"
	case msgp.IntType, msgp.UintType:
		return "an integer that does not fit, or is cut short"
	case msgp.Complex64Type, msgp.Complex128Type, msgp.ExtensionType:
		return "an extension, or it is cut short"
	default:
		return t.String() + ", or it is cut short"
	}
}

func tooDeep() *fault { return malformed("nested deeper than %d levels", maxDepth) }
