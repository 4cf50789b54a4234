package conformance

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/parley-net/parley/core"
)

// The laws of what WriteSnapshot may do with the objects that it is handed.
var sinkObjectLaws = []law[Sink]{
	sinkWrites("Objects/DuringWrite", "Objects is ranged over until WriteSnapshot returns, and never after.",
		func(k *sinkKit) error {
			m := k.match()
			var over, late atomic.Bool
			for tick := range uint64(10) {
				s := sinkSnapshotOf(m, 1, tick, 5)
				objects := s.Objects
				var done atomic.Bool
				s.Objects = func(yield func(core.ObjectState) bool) {
					over.Store(true)
					for o := range objects {
						if done.Load() {
							late.Store(true)
						}
						if !yield(o) {
							return
						}
					}
				}
				err := k.write(s)
				done.Store(true)
				if err != nil {
					return err
				}
			}
			// What is still to be done is done by the end of Close.
			if err := k.close(); err != nil {
				return err
			}
			switch {
			case late.Load():
				return errors.New("the objects of a snapshot were ranged over after its WriteSnapshot had returned")
			case !over.Load():
				return errors.New("the objects were never ranged over")
			}
			return nil
		}),
	sinkReads("Objects/NotKept", "The slices that Objects yields are not kept: the next object may come in the same memory.",
		func(k *sinkKit) error {
			s := sinkSnapshotOf(k.match(), 1, 1, 50)
			reused := s
			var fields []core.Field
			blob, list := make([]byte, 4), make([]any, 2)
			s.Objects = func(yield func(core.ObjectState) bool) {
				for o := range reused.Objects {
					o.Fields = append(o.Fields[:len(o.Fields):len(o.Fields)],
						core.Field{Name: "blob", Value: []byte{byte(o.ID), 1, 2, 3}}, core.Field{Name: "list", Value: []any{o.ID, "x"}})
					if !yield(o) {
						return
					}
				}
			}
			shared := s
			shared.Objects = func(yield func(core.ObjectState) bool) {
				for o := range s.Objects {
					fields = append(fields[:0], o.Fields...)
					n := len(fields)
					copy(blob, fields[n-2].Value.([]byte))
					copy(list, fields[n-1].Value.([]any))
					fields[n-2].Value, fields[n-1].Value = blob, list
					o.Fields = fields
					if !yield(o) {
						return
					}
				}
			}
			if err := k.write(shared); err != nil {
				return err
			}
			clear(fields)
			clear(blob)
			clear(list)
			return k.holdsSnapshots(s.Match, s)
		}),
	sinkWrites("Objects/NotChanged", "The sink changes nothing of what Objects yields, as others read the same frozen copy.",
		func(k *sinkKit) error {
			var objects, twin []core.ObjectState
			for range 2 {
				objects, twin = twin, nil
				for i := range uint64(2) {
					values := sinkValueList()
					fields := make([]core.Field, len(values))
					for j, v := range values {
						fields[j] = core.Field{Name: fmt.Sprint("z", len(values)-j), Value: v}
					}
					twin = append(twin, core.ObjectState{ID: i, Class: "c", Fields: fields})
				}
			}
			s := sinkSnapshotWith(k.match(), 1, 1, objects)
			if err := k.write(s); err != nil {
				return err
			}
			return sinkSameSnapshot(sinkSnapshotWith(s.Match, 1, 1, twin), sinkRange(s))
		}),
}
