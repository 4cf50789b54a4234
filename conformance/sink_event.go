package conformance

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/parley-net/parley/core"
)

// The laws of WriteEvents.
var sinkEventLaws = []law[Sink]{
	sinkReads("Events/ReadBack", "An event comes back with its match, epoch, number, tick, time (to the millisecond), kind, player and data; data that is nil may come back empty.",
		func(k *sinkKit) error {
			m := k.match()
			events := sinkEventsOf(m, 1, 1, 20)
			events[3].Kind, events[3].Player, events[3].Data = "", math.MaxUint32, nil
			events[4].Kind, events[4].Data = "odd kind/$with.dots 世界", map[string]any{}
			if err := k.put(events...); err != nil {
				return err
			}
			return k.holdsEvents(m, events...)
		}),
	sinkReads("Events/Values", "Data of an event carries every kind of field value, as the fields of a snapshot do.",
		func(k *sinkKit) error {
			m := k.match()
			var events []core.Event
			for i, v := range sinkValueList() {
				events = append(events, core.Event{Match: m, Epoch: 1, Seq: uint64(i + 1), Tick: 5, Time: sinkTime, Kind: "k", Data: map[string]any{"v": v, "w": int64(i)}})
			}
			if err := k.put(events...); err != nil {
				return err
			}
			return k.holdsEvents(m, events...)
		}),
	sinkReads("Events/Order", "Events come back in order of epoch and number and without gaps, however they were cut into batches and in whatever order these were written.",
		func(k *sinkKit) error {
			m := k.match()
			first, second := sinkEventsOf(m, 1, 1, 700), sinkEventsOf(m, 2, 1, 30)
			for _, batch := range [][]core.Event{second[:10], first[:1], first[1:2], first[2:11], first[300:], second[10:], first[11:300]} {
				if err := k.put(batch...); err != nil {
					return err
				}
			}
			return k.holdsEvents(m, slices.Concat(first, second)...)
		}),
	sinkReads("Events/Idempotent", "Writing events again, all, some, or some with new ones, leaves one of each.",
		func(k *sinkKit) error {
			m := k.match()
			events := sinkEventsOf(m, 1, 1, 30)
			for _, batch := range [][]core.Event{events[:10], events[:10], events[5:20], events[9:10], events[9:10], events[:30], events[29:]} {
				if err := k.put(batch...); err != nil {
					return err
				}
			}
			return k.holdsEvents(m, events...)
		}),
	sinkReads("Events/Mixed", "One batch may hold events of several matches and epochs; each goes to its own.",
		func(k *sinkKit) error {
			a, b := k.match(), k.match()
			a1, b1, a2 := sinkEventsOf(a, 1, 1, 10), sinkEventsOf(b, 1, 1, 10), sinkEventsOf(a, 2, 1, 10)
			var batch []core.Event
			for i := range 10 {
				batch = append(batch, a1[i], b1[i], a2[i])
			}
			if err := k.put(batch...); err != nil {
				return err
			}
			return errors.Join(k.holdsEvents(a, slices.Concat(a1, a2)...), k.holdsEvents(b, b1...))
		}),
	sinkWrites("Events/None", "No events are stored at once: 0 and nil.",
		func(k *sinkKit) error { return errors.Join(k.put(), k.put([]core.Event{}...)) }),
	sinkReads("Events/SliceIsCallers", "The slice of events, and the data of each, are the caller's again when WriteEvents returns.",
		func(k *sinkKit) error {
			m := k.match()
			events := sinkEventsOf(m, 1, 1, 40)
			for i := range events {
				events[i].Data = map[string]any{"bytes": []byte{byte(i), 1}, "list": []any{int64(i), []byte("x")}, "map": map[string]any{"i": int64(i)}}
			}
			batch := make([]core.Event, 10)
			for at := 0; at < len(events); at += len(batch) {
				copy(batch, events[at:])
				for i := range batch {
					batch[i].Data = sinkClone(batch[i].Data).(map[string]any)
				}
				if err := k.put(batch...); err != nil {
					return err
				}
				for i := range batch {
					data := batch[i].Data
					clear(data["bytes"].([]byte))
					clear(data["list"].([]any)[1].([]byte))
					clear(data["list"].([]any))
					clear(data["map"].(map[string]any))
					data["new"] = "after"
				}
				clear(batch)
			}
			return k.holdsEvents(m, events...)
		}),
	sinkWrites("Events/NotChanged", "The sink changes nothing of the events that it is handed.",
		func(k *sinkKit) error {
			m := k.match()
			make := func() (events []core.Event) {
				for i, v := range sinkValueList() {
					events = append(events, core.Event{Match: m, Epoch: 1, Seq: uint64(i + 1), Tick: 5, Time: sinkTime, Kind: "k", Data: map[string]any{"v": v, "l": []any{v}}})
				}
				return events
			}
			events := make()
			if err := k.put(events...); err != nil {
				return err
			}
			if err := sinkSameEvents(make(), events); err != nil {
				return fmt.Errorf("the caller's events: %w", err)
			}
			return nil
		}),
}
