package conformance

import (
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

var statsLaws = []law[Transport]{
	{"Stats/Monotone",
		"The counters of Stats never decrease, also not by Close.",
		statsMonotone},
	{"Stats/Count",
		"Stats counts whole messages and the bytes in them, once each, or stays at zero.",
		statsCount},
	{"Stats/Queued",
		"Queued is never negative, and is zero again when all has arrived.",
		statsQueued},
}

// decreased reports which counter went back.
func decreased(a, b core.Stats) error {
	for _, c := range []struct {
		name   string
		before uint64
		after  uint64
	}{
		{"MessagesSent", a.MessagesSent, b.MessagesSent},
		{"MessagesRecv", a.MessagesRecv, b.MessagesRecv},
		{"BytesSent", a.BytesSent, b.BytesSent},
		{"BytesRecv", a.BytesRecv, b.BytesRecv},
		{"Dropped", a.Dropped, b.Dropped},
	} {
		if c.after < c.before {
			return fmt.Errorf("Stats.%s went from %d to %d", c.name, c.before, c.after)
		}
	}
	return nil
}

func statsMonotone(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		from, to := r.read(one), r.read(other)
		last := [2]core.Stats{one.Stats(), other.Stats()}
		look := func() error {
			for i, c := range []core.Conn{one, other} {
				s := c.Stats()
				if err := decreased(last[i], s); err != nil {
					return err
				}
				if s.Queued < 0 || s.RTT < 0 {
					return fmt.Errorf("Stats has a negative value: %+v", s)
				}
				last[i] = s
			}
			return nil
		}
		for id := range 100 {
			for _, d := range deliveries {
				if err := e.post(one, d, message(id, 200)); err != nil {
					return err
				}
			}
			if err := look(); err != nil {
				return err
			}
		}
		one.Close(core.CodeNormal, "")
		for _, p := range []*peer{from, to} {
			if _, err := p.ended(0); err != nil {
				return err
			}
		}
		if err := look(); err != nil {
			return fmt.Errorf("after Close: %w", err)
		}
		return nil
	})
}

func statsCount(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		const n, size = 40, 250
		from, to := r.read(one), r.read(other)
		a, b := one.Stats(), other.Stats()
		if err := e.carry(from, to, 0, n, size); err != nil {
			return err
		}
		var err error
		for start := time.Now(); ; time.Sleep(time.Millisecond) {
			now, there := one.Stats(), other.Stats()
			err = nil
			for _, c := range []struct {
				name      string
				got, want uint64
			}{
				{"the sender's MessagesSent", now.MessagesSent - a.MessagesSent, n},
				{"the sender's BytesSent", now.BytesSent - a.BytesSent, n * size},
				{"the receiver's MessagesRecv", there.MessagesRecv - b.MessagesRecv, n},
				{"the receiver's BytesRecv", there.BytesRecv - b.BytesRecv, n * size},
				{"the sender's MessagesRecv", now.MessagesRecv - a.MessagesRecv, 0},
				{"the receiver's MessagesSent", there.MessagesSent - b.MessagesSent, 0},
			} {
				if c.got != c.want && c.got != 0 {
					err = fmt.Errorf("after %d messages of %d bytes %s has grown by %d", n, size, c.name, c.got)
					break
				}
			}
			if err == nil || time.Since(start) > e.wait/4 {
				return err
			}
		}
	})
}

func statsQueued(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		from, to := r.read(one), r.read(other)
		if err := e.carry(from, to, 0, 50, 2000); err != nil {
			return err
		}
		for start := time.Now(); ; time.Sleep(time.Millisecond) {
			switch q := one.Stats().Queued; {
			case q == 0:
				return nil
			case q < 0:
				return fmt.Errorf("Stats.Queued is %d", q)
			case time.Since(start) > e.wait/2:
				return fmt.Errorf("Stats.Queued is still %d, %v after the peer has received everything", q, e.wait/2)
			}
		}
	})
}
