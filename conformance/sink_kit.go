package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
)

// sinkKit is what the laws of sinks work with: a sink that is open, and what reads
// it back.
type sinkKit struct {
	*env
	h      Sink
	sink   core.SnapshotSink
	reader core.SnapshotReader // nil if the sink cannot read
	closed bool
}

// sinkWrites makes a law that needs no reading back.
func sinkWrites(name, says string, check func(k *sinkKit) error) law[Sink] {
	return law[Sink]{name, says, func(e *env, h Sink) error {
		k := &sinkKit{env: e, h: h}
		k.open()
		err := check(k)
		if closed := k.close(); err == nil && closed != nil {
			err = fmt.Errorf("after the check: %w", closed)
		}
		return err
	}}
}

// sinkReads makes a law that reads back what was written.
func sinkReads(name, says string, check func(k *sinkKit) error) law[Sink] {
	return sinkWrites(name, says, func(k *sinkKit) error {
		if k.reader == nil {
			return skip("the sink is no core.SnapshotReader, so nothing can be read back")
		}
		return check(k)
	})
}

func (k *sinkKit) open() {
	k.sink, k.closed = k.h.New(k.tb), false
	k.reader, _ = k.sink.(core.SnapshotReader)
}

// close closes the sink, unless that was done, within the time of one operation.
func (k *sinkKit) close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	return k.soon("Close", func(ctx context.Context) error { return k.sink.Close(ctx) })
}

// soon calls f with a context that ends after the time of one operation, and says
// so if f does not heed it. A panic in f is an error.
func (k *sinkKit) soon(what string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.env), k.wait)
	defer cancel()
	return k.returns(ctx, what, f)
}

// returns calls f and gives it the time of one operation after ctx has ended.
func (k *sinkKit) returns(ctx context.Context, what string, f func(ctx context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the goroutine was ended")
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
			done <- err
		}()
		err = f(ctx)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		case <-time.After(k.wait):
			return &sinkHangs{what, k.wait}
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// sinkHangs: an operation did not heed its context.
type sinkHangs struct {
	what string
	wait time.Duration
}

func (e *sinkHangs) Error() string {
	return fmt.Sprintf("%s did not return within %v after its context had ended", e.what, e.wait)
}

func (k *sinkKit) write(s core.Snapshot) error {
	return k.soon("WriteSnapshot", func(ctx context.Context) error { return k.sink.WriteSnapshot(ctx, s) })
}

// put writes events and wants all of them stored.
func (k *sinkKit) put(events ...core.Event) error {
	return k.soon("WriteEvents", func(ctx context.Context) error {
		n, err := k.sink.WriteEvents(ctx, events)
		if err == nil && n != len(events) {
			return fmt.Errorf("%d of %d events stored, and no error says why", n, len(events))
		}
		return err
	})
}

var sinkNames atomic.Uint64

// match returns a name that no other law and no earlier run used.
func (k *sinkKit) match() string {
	return fmt.Sprintf("match %x-%d", k.seed, sinkNames.Add(1))
}

// reopen closes the sink and opens the store again.
func (k *sinkKit) reopen() error {
	err := k.close()
	k.open()
	return err
}
