package conformance

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
)

var endLaws = []law[Transport]{
	{"Close/Simultaneous",
		"When both sides close at the same time, both Closes return and both Recvs end.",
		closeSimultaneous},
	{"Close/WhileSending",
		"When Close comes amid Sends, all that was accepted before it arrives in order, and later Sends return the *core.CloseError.",
		closeWhileSending},
	{"Close/FromMany",
		"Close from many goroutines at once ends the connection once, with one of their codes.",
		closeFromMany},
	{"Close/NotByItself",
		"A connection on which nothing is sent does not end while both sides call Recv.",
		closeNotByItself},
}

var dropLaws = []law[Transport]{
	{"Drop/AtOnce",
		"Drop, where it is offered, ends the Conn at once, without linger, though the peer takes nothing; Close then returns nil.",
		dropAtOnce},
	{"Drop/PeerEnds",
		"The peer of a Conn that was dropped sees its end.",
		dropPeerEnds},
}

func closeSimultaneous(e *env, h Transport) error {
	for round := range 3 {
		err := h.eachEnd(e, func(r *room, one, other core.Conn) error {
			a, b := r.read(one), r.read(other)
			if err := e.post(one, core.Reliable, message(0, 100)); err != nil {
				return err
			}
			var g group
			g.do(func() error { one.Close(core.CodeApp, "one"); return nil })
			g.do(func() error {
				time.Sleep(time.Duration(round) * 200 * time.Microsecond)
				other.Close(core.CodeApp+1, "other")
				return nil
			})
			if err := g.wait(e, "one of two Closes at the same time"); err != nil {
				return err
			}
			for _, p := range []*peer{a, b} {
				if _, err := p.ended(0); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func closeWhileSending(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		const senders, each = 4, 1 << 16
		r.read(one)
		to := r.read(other)
		var sent [senders]atomic.Int64 // accepted messages
		var g group
		for s := range senders {
			g.do(func() error {
				for id := s * each; id < (s+1)*each; {
					switch err := one.Send(core.Reliable, message(id, 200)); {
					case err == nil:
						sent[s].Add(1)
						id++
					case errors.Is(err, core.ErrBackpressure):
					default:
						_, err := closeError("Send while the Conn is being closed", err)
						return err
					}
					time.Sleep(20 * time.Microsecond)
				}
				return errors.New("Send never ended, although the Conn was closed")
			})
		}
		time.Sleep(15 * time.Millisecond)
		var before [senders]int64
		for s := range senders {
			before[s] = sent[s].Load()
		}
		closing := make(chan struct{})
		go func() {
			defer close(closing)
			guard(func() error { return one.Close(core.CodeNormal, "amid") })
		}()
		var next [senders]int
		for {
			msg, err := to.next()
			if err != nil {
				if _, err := closeError("Recv", err); err != nil {
					return err
				}
				break
			}
			id, err := number(msg)
			if err != nil {
				return err
			}
			s := id / each
			if s >= senders || id%each != next[s] {
				return fmt.Errorf("message %d of a goroutine arrived out of order", id%each)
			}
			next[s]++
		}
		if _, err := within(e, "Close", func() (struct{}, error) { <-closing; return struct{}{}, nil }); err != nil {
			return err
		}
		if err := g.wait(e, "Send on a closed Conn"); err != nil {
			return err
		}
		for s := range senders {
			if int64(next[s]) < before[s] {
				return fmt.Errorf("of %d messages accepted before Close, %d arrived", before[s], next[s])
			}
			if int64(next[s]) > sent[s].Load() {
				return fmt.Errorf("%d messages arrived of %d that were accepted", next[s], sent[s].Load())
			}
		}
		return nil
	})
}

func closeFromMany(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		const closers = 16
		a, b := r.read(one), r.read(other)
		var g group
		for i := range closers {
			g.do(func() error { one.Close(core.CodeApp+core.Code(i), "many"); return nil })
		}
		if err := g.wait(e, "one of many Closes"); err != nil {
			return err
		}
		here, err := a.ended(0)
		if err != nil {
			return err
		}
		there, err := b.ended(0)
		if err != nil {
			return err
		}
		if here.Code != there.Code || there.Code < core.CodeApp || there.Code >= core.CodeApp+closers {
			return fmt.Errorf("%d goroutines closed with codes from %d; here it ended with %d and at the peer with %d",
				closers, core.CodeApp, here.Code, there.Code)
		}
		return nil
	})
}

func closeNotByItself(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	select {
	case <-d.done:
	case <-a.done:
	case <-time.After(min(h.Timeout+h.Timeout/2, 4*time.Second)):
	}
	if err := errors.Join(e.carry(d, a, 0, 3, 100), e.carry(a, d, 0, 3, 100)); err != nil {
		return fmt.Errorf("after a silence longer than Timeout, or 4 s: %w", err)
	}
	return nil
}

func dropAtOnce(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		drop, ok := core.As[core.Dropper](one)
		if !ok {
			return skip("the Conn has no Drop")
		}
		from := r.read(one)
		if _, _, err := e.stuffSoon(one, 0); err != nil {
			return err
		}
		start := time.Now()
		if _, err := within(e, "Drop", func() (struct{}, error) { drop.Drop(core.CodeFlood, "enough"); return struct{}{}, nil }); err != nil {
			return err
		}
		// A second is the usual linger; what lingers takes at least that.
		if took := time.Since(start); took > core.DefaultLinger*9/10 {
			return fmt.Errorf("Drop took %v, with messages queued for a peer that does not read", took)
		}
		end, err := from.ended(0)
		if err != nil {
			return err
		}
		if end.Code != core.CodeFlood || end.Remote {
			return fmt.Errorf("after Drop(%v) Recv returned %+v", core.CodeFlood, *end)
		}
		if err := one.Close(core.CodeNormal, ""); err != nil {
			return fmt.Errorf("Close after Drop: %w", err)
		}
		return nil
	})
}

func dropPeerEnds(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		drop, ok := core.As[core.Dropper](one)
		if !ok {
			return skip("the Conn has no Drop")
		}
		r.read(one)
		to := r.read(other)
		drop.Drop(core.CodeProtocol, "nonsense")
		_, err := to.ended(h.Timeout)
		return err
	})
}
