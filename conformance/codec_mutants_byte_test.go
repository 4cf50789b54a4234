package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
)

var codecMemory atomic.Pointer[[]byte]

var codecByteMutants = []codecMutant{
	{"Bytes/Prefix", "takes what is missing for zero", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error { return nil })
	}},
	{"Bytes/Prefix", "says that the bytes end with an error of its own kind", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error { return io.ErrUnexpectedEOF })
	}},
	{"Bytes/Prefix", "reads behind the end", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error { return fmt.Errorf("%w at %x", err, src[len(src)]) })
	}},
	{"Bytes/OneByte", "panics at a byte that starts nothing", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error {
			if bytes.IndexByte(src, 0xc1) >= 0 {
				panic("unreachable")
			}
			return err
		})
	}},
	{"Bytes/WrongType", "panics when it meets another type", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error {
			var whole any
			if _, other := d.Msgp.Decode(src, &whole); other == nil && whole != nil {
				reflect.ValueOf(v).Elem().Set(reflect.ValueOf(whole))
			}
			return err
		})
	}},
	{"Bytes/Random", "panics at two bytes that add up to 0x5a", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error {
			if len(src) > 1 && src[0]+src[1] == 0x5a {
				panic("0x5a")
			}
			return err
		})
	}},
	{"Bombs/Sizes", "makes room for what is announced", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error {
			if at := bytes.IndexByte(src, 0xdd); at >= 0 && at+5 <= len(src) {
				room := make([]byte, min(binary.BigEndian.Uint32(src[at+1:]), 1<<20))
				codecMemory.Store(&room)
			}
			return err
		})
	}},
	{"Bombs/Dense", "takes 500 bytes for each element of a list", func(d *codecDouble) {
		d.decoded(func(src []byte, v any) error {
			if list, ok := v.(*[]any); ok {
				room := make([]byte, 500*len(*list))
				codecMemory.Store(&room)
			}
			return nil
		})
	}},
	{"Bombs/Nesting", "follows lists as deep as they go", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error {
			if len(bytes.Trim(src, "\x91\xc0")) == 0 && len(src) > 1 {
				return nil
			}
			return err
		})
	}},
	{"Bombs/Nesting", "takes 100 bytes for each level", func(d *codecDouble) {
		d.failing(func(src []byte, v any, err error) error {
			if bytes.HasPrefix(src, []byte{0x91, 0x91, 0x91, 0x91, 0x91, 0x91}) {
				room := make([]byte, 100*len(src))
				codecMemory.Store(&room)
			}
			return err
		})
	}},
}

var codecUseMutants = []codecMutant{
	{"Name/Stable", "has no name", func(d *codecDouble) { d.name = func() string { return "" } }},
	{"Name/Stable", "counts in its name", func(d *codecDouble) {
		d.name = func() string { return fmt.Sprint("msgp/", codecSalt.Add(1)) }
	}},
	{"Supports/Agrees", "supports everything", func(d *codecDouble) { d.supports = func(reflect.Type) error { return nil } }},
	{"Supports/Agrees", "supports no maps, and takes them", func(d *codecDouble) {
		d.supports = func(t reflect.Type) error {
			if t.Kind() == reflect.Map {
				return core.ErrUnsupported
			}
			return d.Msgp.Supports(t)
		}
	}},
	{"Concurrent/Use", "uses one buffer for all calls", func(d *codecDouble) {
		var mu sync.Mutex
		var buf []byte
		d.append = func(dst []byte, v any) ([]byte, error) {
			mu.Lock()
			b, err := d.Msgp.Append(nil, v)
			buf = b
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			return append(dst, buf...), err
		}
	}},
}
