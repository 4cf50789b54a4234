package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-net/parley/core"
)

// The laws of batches that do not go through, and of values at the border of what
// stores can hold.
var sinkBatchLaws = []law[Sink]{
	sinkWrites("Batch/Partial", "Of a batch with an event that must be refused, the first n are stored for certain, n does not reach past that event, and the error wraps ErrUnsupported; the rest, written again without it, completes the log.",
		func(k *sinkKit) error {
			for i, bad := range sinkForeign() {
				m, at := k.match(), []int{7, 0, 19, 1}[i]
				events := sinkEventsOf(m, 1, 1, 20)
				good := events[at].Data
				events[at].Data = map[string]any{"bad": bad}
				n, err := k.putSome(events)
				if !errors.Is(err, core.ErrUnsupported) {
					return fmt.Errorf("event %d of 20 holds a %T: WriteEvents returned %d and %v, want an error that wraps ErrUnsupported", at+1, bad, n, err)
				}
				if n < 0 || n > at {
					return fmt.Errorf("event %d of 20 cannot be stored, and WriteEvents returned that %d from the front are", at+1, n)
				}
				if k.reader != nil {
					got, err := k.events(m, 0, sinkEnd)
					if err != nil && (n > 0 || !errors.Is(err, core.ErrNotFound)) {
						return err
					}
					if len(got) < n {
						return fmt.Errorf("WriteEvents returned that %d events are stored for certain, and %d are", n, len(got))
					}
					if err := sinkSameEvents(events[:n], got[:n]); err != nil {
						return err
					}
				}
				events[at].Data = good
				if err := k.put(events[n:]...); err != nil {
					return fmt.Errorf("the rest, written again: %w", err)
				}
				if k.reader != nil {
					if err := k.holdsEvents(m, events...); err != nil {
						return fmt.Errorf("event %d of 20 failed, and events[%d:] were written again: %w", at+1, n, err)
					}
				}
			}
			return nil
		}),
	sinkReads("Batch/UnknownOutcome", "A batch that was written again, as nobody knew whether it had arrived, is in the log once.",
		func(k *sinkKit) error {
			m := k.match()
			events := sinkEventsOf(m, 1, 1, 400)
			for at := 0; at < len(events); at += 100 {
				batch := events[at : at+100]
				// Cancelled while the write may be under way, at a moment left to chance.
				ctx, cancel := context.WithCancel(k.env)
				go cancel()
				n := 0
				err := k.returns(ctx, "WriteEvents", func(ctx context.Context) (err error) {
					n, err = k.sink.WriteEvents(ctx, batch)
					return err
				})
				cancel()
				if hangs := (*sinkHangs)(nil); errors.As(err, &hangs) {
					return err
				}
				if n < 0 || n > len(batch) || n < len(batch) && err == nil {
					return fmt.Errorf("WriteEvents of %d events returned %d and %v", len(batch), n, err)
				}
				// The answer is lost: all of it again, and some of what came before.
				if err := k.put(events[max(0, at-10) : at+100]...); err != nil {
					return err
				}
			}
			return k.holdsEvents(m, events...)
		}),
	sinkReads("Batch/OddText", "Text that is not UTF-8, and a zero byte in a key of a map, come back as they were or are refused with ErrUnsupported.",
		func(k *sinkKit) error {
			m := k.match()
			var kept []core.Event
			for i, data := range []map[string]any{
				{"v": "bad \xff\xfe UTF-8"}, {"bad \xff key": true}, {"zero\x00key": true}, {"v": "zero\x00value"}, {"v": []any{"\xc3\x28"}}, {"\x00": "\x00"},
			} {
				e := core.Event{Match: m, Epoch: 1, Seq: uint64(len(kept) + 1), Tick: uint64(i), Time: sinkTime, Kind: "k", Data: data}
				err := k.put(e)
				switch {
				case err == nil:
					kept = append(kept, e)
				case !errors.Is(err, core.ErrUnsupported):
					return fmt.Errorf("data %q: %w, which is not ErrUnsupported", data, err)
				}
			}
			return k.holdsEvents(m, kept...)
		}),
}

// putSome writes events and returns what WriteEvents did.
func (k *sinkKit) putSome(events []core.Event) (n int, err error) {
	err = k.soon("WriteEvents", func(ctx context.Context) (err error) {
		n, err = k.sink.WriteEvents(ctx, events)
		return err
	})
	return n, err
}
