package mongo

import (
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

// record reads the elements of a document that this package wrote. It keeps the first
// error. Elements that somebody added are passed over.
type record struct {
	names  names
	values map[string]value
	err    error
}

func (n names) record(doc []byte) *record {
	r := &record{names: n, values: make(map[string]value, 16)}
	r.err = members(doc, func(name []byte, v value) error {
		if _, twice := r.values[string(name)]; twice {
			return malformed("it has %.100q twice", name)
		}
		r.values[string(name)] = v
		return nil
	})
	return r
}

// get reads an element, which must be there.
func get[T any](r *record, name string, read func(value) (T, error)) (x T) {
	if r.err != nil {
		return x
	}
	v, ok := r.values[name]
	if !ok {
		r.err = malformed("it has no %s", name)
		return x
	}
	x, err := read(v)
	if err != nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
	return x
}

func (r *record) has(name string) bool { _, ok := r.values[name]; return ok }

func (r *record) number(name string) uint64 { return get(r, name, value.number) }
func (r *record) text(name string) string   { return get(r, name, value.text) }

// time reads when the record was made.
func (r *record) time() time.Time {
	ns := int32(0)
	if r.has("ns") {
		ns = get(r, "ns", func(v value) (int32, error) {
			n, ok := v.long()
			if !ok || n <= 0 || n >= 1e6 {
				return 0, malformed("want nanoseconds below a million")
			}
			return int32(n), nil
		})
	}
	return get(r, "time", func(v value) (time.Time, error) { return v.time(ns) })
}

// is wants the record to be the one that its _id says.
func (r *record) is(match, id string) {
	m, is := r.text("match"), r.text("_id")
	if r.err == nil && (m != match || is != id) {
		r.err = malformed("it says that it is %.300q of match %.300q", id, m)
	}
}

// snapshot reads a snapshot and how many objects it has; without these if they are in
// parts, which are then named.
func (r *record) snapshot(match, key string) (x core.Snapshot, count uint64, objects []core.ObjectState, parts []string) {
	x = core.Snapshot{Match: match, Epoch: r.number("epoch"), Tick: r.number("tick"), Time: r.time()}
	r.is(match, id{x.Epoch, x.Tick}.of(key))
	count = r.number("count")
	if r.has("parts") {
		return x, count, nil, get(r, "parts", func(v value) (list []string, err error) {
			return list, r.list(v, maxParts, func(v value) error {
				s, err := v.text()
				list = append(list, s)
				return err
			})
		})
	}
	if count == 0 && !r.has("objects") { // FerretDB drops empty lists
		return x, 0, nil, nil
	}
	return x, count, r.objects(), nil
}

// objects reads the objects of a snapshot, or of a part of one.
func (r *record) objects() []core.ObjectState {
	return get(r, "objects", func(v value) (list []core.ObjectState, err error) {
		return list, r.list(v, maxDocument, func(v value) error {
			o, err := r.names.object(v)
			list = append(list, o)
			return err
		})
	})
}

// list calls f for each element of an array.
func (r *record) list(v value, most int, f func(value) error) error {
	if v.kind != kindArray {
		return malformed("want a list")
	}
	n := 0
	return members(v.data, func(_ []byte, v value) error {
		if n++; n > most {
			return malformed("more than %d", most)
		}
		return f(v)
	})
}

// event reads an event.
func (r *record) event(match, key string) core.Event {
	e := core.Event{Match: match, Epoch: r.number("epoch"), Seq: r.number("seq"), Tick: r.number("tick"), Time: r.time(),
		Kind: get(r, "kind", r.names.text), Player: get(r, "player", value.uint32)}
	r.is(match, id{e.Epoch, e.Seq}.of(key))
	if r.has("data") {
		e.Data = get(r, "data", func(v value) (map[string]any, error) {
			x, err := v.any(0)
			m, ok := x.(map[string]any)
			if err == nil && !ok {
				err = malformed("want a document")
			}
			return m, err
		})
	}
	return e
}
