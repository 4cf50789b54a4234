package conformance

import (
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

var concurrencyLaws = []law[Transport]{
	{"Concurrency/Conn",
		"Send, MaxSize, RemoteAddr, Stats and Close of one Conn may be called at the same time, and none hangs.",
		concurrencyConn},
	{"Concurrency/BothWays",
		"Both sides may send at the same time as fast as they can: neither waits for the other's Recv.",
		concurrencyBothWays},
	{"Concurrency/SlowNeighbour",
		"A peer that does not read holds up no other connection.",
		concurrencySlowNeighbour},
	{"Concurrency/Transport",
		"Listen, Dial, Accept and Close may be called at the same time on one Transport.",
		concurrencyTransport},
}

func concurrencyConn(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		r.read(one)
		to := r.read(other)
		var g group
		for s := range 4 {
			g.do(func() error {
				for id := 0; ; id++ {
					err := one.Send(deliveries[s%2], message(id, 100))
					if err != nil && !errors.Is(err, core.ErrBackpressure) {
						_, err := closeError("Send", err)
						return err
					}
					time.Sleep(50 * time.Microsecond)
				}
			})
		}
		stop := make(chan struct{})
		for range 2 {
			g.do(func() error {
				for {
					select {
					case <-stop:
						return nil
					default:
					}
					one.Stats()
					one.RemoteAddr()
					for _, d := range deliveries {
						if one.MaxSize(d) <= 0 {
							return fmt.Errorf("MaxSize(%s) is %d", d, one.MaxSize(d))
						}
					}
					time.Sleep(20 * time.Microsecond)
				}
			})
		}
		time.Sleep(50 * time.Millisecond)
		for range 4 {
			g.do(func() error { one.Close(core.CodeNormal, ""); return nil })
		}
		if _, err := to.ended(0); err != nil {
			return err
		}
		close(stop)
		return g.wait(e, "Send, Stats, MaxSize, RemoteAddr or Close, at the same time,")
	})
}

func concurrencyBothWays(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		const n, size = 300, 8000 // more than queues take: each must send while it cannot
		a, b := r.read(one), r.read(other)
		var g group
		g.do(func() error { return e.postAll(one, 0, n, size) })
		g.do(func() error { return e.postAll(other, 0, n, size) })
		g.do(func() error { return a.expectAll(0, n) })
		g.do(func() error { return b.expectAll(0, n) })
		return g.wait(e, "a stream in each direction")
	})
}

func concurrencySlowNeighbour(e *env, h Transport) error {
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	for _, dialer := range []bool{true, false} {
		c, s, err := r.pair()
		if err != nil {
			return err
		}
		if !dialer {
			c, s = s, c
		}
		r.read(c)
		if _, _, err := e.stuffSoon(c, 0); err != nil {
			return err
		}
		if err := errors.Join(e.carry(d, a, 0, 50, 500), e.carry(a, d, 0, 50, 500)); err != nil {
			return fmt.Errorf("while the peer of another connection does not read: %w", err)
		}
		if _, _, err := r.link(); err != nil {
			return fmt.Errorf("while the peer of another connection does not read: %w", err)
		}
		r.read(s)
	}
	return nil
}

func concurrencyTransport(e *env, h Transport) error {
	if h.Addr != anyPort {
		return skip("it needs several Listeners, and Addr is %q", h.Addr)
	}
	t := h.New(e.tb)
	var g group
	for range 6 {
		g.do(func() error {
			for range 3 {
				r, err := h.openOn(e, t)
				if err != nil {
					return err
				}
				d, a, err := r.link()
				if err == nil {
					err = errors.Join(e.carry(d, a, 0, 5, 100), e.carry(a, d, 0, 5, 100))
				}
				r.close()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.wait(e, "Listen, Dial, Accept or Close, at the same time,")
}
