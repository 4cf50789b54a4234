package state

import (
	"slices"

	"github.com/parley-net/parley/core/internal/wire"
)

// A value too long for a packet travels Reliable, as a message of its own. It takes
// effect at a client when a packet named its version, or a newer one:
//
//	object │ slot │ version │ bytes

// valueKey names a value that is no number: slot 0 is what travels once, 1+n blob n.
type valueKey struct {
	id   ObjectID
	slot int
}

// larges are a world's large values, in the order of their latest changes.
type larges struct {
	list  []largeValue
	place map[valueKey]int // in list
	gone  int
	rev   uint64
}

type largeValue struct {
	key valueKey
	rev uint64 // grows along the list
	msg []byte // nil: gone
}

func (l *larges) set(key valueKey, version int64, bytes []byte) {
	l.drop(key)
	l.rev++
	msg := make([]byte, 0, 20+len(bytes))
	msg = wire.AppendUvarint(msg, uint64(key.id))
	msg = wire.AppendUvarint(msg, uint64(key.slot))
	msg = wire.AppendUvarint(msg, uint64(version))
	if l.place == nil {
		l.place = make(map[valueKey]int)
	}
	l.place[key] = len(l.list)
	l.list = append(l.list, largeValue{key, l.rev, append(msg, bytes...)})
}

func (l *larges) drop(key valueKey) {
	if len(l.place) == 0 {
		return
	}
	i, ok := l.place[key]
	if !ok {
		return
	}
	delete(l.place, key)
	l.list[i].msg = nil
	l.gone++
	if l.gone <= len(l.list)/2 {
		return
	}
	l.list = slices.DeleteFunc(l.list, func(v largeValue) bool { return v.msg == nil })
	l.gone = 0
	for i := range l.list {
		l.place[l.list[i].key] = i
	}
}

// after returns the values that changed after a revision, those that are gone
// among them.
func (l *larges) after(rev uint64) []largeValue {
	i, found := slices.BinarySearchFunc(l.list, rev, func(v largeValue, rev uint64) int {
		if v.rev < rev {
			return -1
		} else if v.rev > rev {
			return 1
		}
		return 0
	})
	if found {
		i++
	}
	return l.list[i:]
}
