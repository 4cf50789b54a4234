package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

func recvContext(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		cancelled, cancel := context.WithCancel(e)
		time.AfterFunc(10*time.Millisecond, cancel)
		late, cancel := context.WithTimeout(e, 20*time.Millisecond)
		defer cancel()
		for _, ctx := range []context.Context{cancelled, late, late} {
			msg, err := within(e, "Recv whose context has ended", func() ([]byte, error) { return one.Recv(ctx) })
			switch {
			case err == nil:
				return fmt.Errorf("Recv returned %d bytes; nothing was sent", len(msg))
			case ctx.Err() == nil || !errors.Is(err, ctx.Err()):
				return fmt.Errorf("Recv returned %q, want the context's %v", err, ctx.Err())
			}
		}
		return e.carry(r.read(other), r.read(one), 0, 3, 100)
	})
}

func recvLosesNothing(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		const n = 400
		r.read(one)
		var g group
		g.do(func() error {
			for id := range n {
				if err := e.post(one, core.Reliable, message(id, 40)); err != nil {
					return err
				}
				if id%4 == 0 { // so that some arrive while Recv waits and some before
					time.Sleep(300 * time.Microsecond)
				}
			}
			return nil
		})
		over, cancel := context.WithCancel(e)
		cancel()
		start := time.Now()
		for want, i := 0, 0; want < n; i++ {
			ctx, cancel := over, context.CancelFunc(func() {})
			if i%3 > 0 {
				ctx, cancel = context.WithTimeout(e, 100*time.Microsecond)
			}
			msg, err := within(e, "Recv with a short context", func() ([]byte, error) { return other.Recv(ctx) })
			ended := ctx.Err()
			cancel()
			switch {
			case err == nil:
				if got, err := number(msg); err != nil || got != want {
					return errors.Join(err, fmt.Errorf("message %d arrived, want message %d: contexts that end lose messages", got, want))
				}
				want, start = want+1, time.Now()
			case ended == nil || !errors.Is(err, ended):
				return fmt.Errorf("Recv: %w", err)
			case time.Since(start) > e.wait:
				return fmt.Errorf("message %d has not arrived within %v, at a Recv whose context often ends", want, e.wait)
			}
		}
		return g.wait(e, "Send")
	})
}

func recvBufferStays(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		r.read(one)
		const n = 30
		var g group
		g.do(func() error { return e.postAll(one, 0, n, 500) })
		for id := range n {
			msg, err := e.recv(other)
			if err != nil {
				return err
			}
			kept := bytes.Clone(msg)
			if got, err := number(msg); err != nil || got != id {
				return errors.Join(err, fmt.Errorf("message %d arrived, want message %d", got, id))
			}
			for _, d := range []core.Delivery{core.Reliable, core.Unreliable} {
				if err := other.Send(d, message(1000+id, 300)); err != nil {
					return fmt.Errorf("Send: %w", err)
				}
			}
			other.Stats()
			other.MaxSize(core.Reliable)
			other.RemoteAddr()
			if id%10 == 0 {
				time.Sleep(5 * time.Millisecond) // and others arrive
			}
			if !bytes.Equal(msg, kept) {
				return fmt.Errorf("message %d changed between one Recv and the next", id)
			}
		}
		if err := g.wait(e, "Send"); err != nil {
			return err
		}
		// The last message outlives the connection.
		if err := e.post(one, core.Reliable, message(n, 500)); err != nil {
			return err
		}
		msg, err := e.recv(other)
		if err != nil {
			return err
		}
		kept := bytes.Clone(msg)
		one.Close(core.CodeNormal, "")
		other.Close(core.CodeNormal, "")
		if !bytes.Equal(msg, kept) {
			return errors.New("a message that Recv returned changed when the connection was closed")
		}
		return nil
	})
}

func recvBufferIsCallers(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	// The same bytes on two connections, several times: none may share memory.
	want := message(7, 700)
	var senders, receivers []core.Conn
	for range 2 {
		d, a, err := r.pair()
		if err != nil {
			return err
		}
		r.read(d)
		senders, receivers = append(senders, d), append(receivers, a)
	}
	const n = 4
	for range n {
		for _, c := range senders {
			if err := e.post(c, core.Reliable, want); err != nil {
				return err
			}
		}
	}
	for range n {
		for _, c := range receivers {
			msg, err := e.recv(c)
			if err != nil {
				return err
			}
			if !bytes.Equal(msg, want) {
				return errors.New("a message arrived changed, after the receiver of another had changed that one")
			}
			for i := range msg {
				msg[i] = 0xEE
			}
		}
	}
	if !bytes.Equal(want, message(7, 700)) {
		return errors.New("the receiver changed its message, and with it the sender's bytes")
	}
	return nil
}
