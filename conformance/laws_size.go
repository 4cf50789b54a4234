package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-net/parley/core"
)

var sizeLaws = []law[Transport]{
	{"Size/Floors",
		"MaxSize is never below core.MinUnreliableSize and core.MinReliableSize.",
		sizeFloors},
	{"Size/AfterClose",
		"MaxSize answers at all times, also after Close.",
		sizeAfterClose},
	{"Size/Reliable",
		"Reliable messages of 0, 1, MaxSize-1 and MaxSize bytes arrive whole, each as one message.",
		sizeReliable},
	{"Size/Unreliable",
		"Unreliable messages of 0, 1, MaxSize-1 and MaxSize bytes arrive whole, each as one message, if sent often enough.",
		sizeUnreliable},
	{"Size/TooLarge",
		"A message longer than MaxSize is refused with a *core.TooLargeError that has its size, the maximum and the delivery.",
		sizeTooLarge},
	{"Size/TooLargeSendsNothing",
		"Nothing of a message that is too large arrives, and the connection lives on.",
		sizeTooLargeSendsNothing},
}

// floors are the least that MaxSize may return.
var floors = [...]int{core.Unreliable: core.MinUnreliableSize, core.Reliable: core.MinReliableSize}

// huge is the size in bytes beyond which a largest message is not tried.
const huge = 16 << 20

var deliveries = []core.Delivery{core.Unreliable, core.Reliable}

func checkFloors(c core.Conn, when string) error {
	for _, d := range deliveries {
		if got := c.MaxSize(d); got < floors[d] {
			return fmt.Errorf("MaxSize(%s) is %d %s, below the floor of %d", d, got, when, floors[d])
		}
	}
	return nil
}

func sizeFloors(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		if err := errors.Join(checkFloors(one, "at first"), checkFloors(other, "at first")); err != nil {
			return err
		}
		if err := e.carry(r.read(one), r.read(other), 0, 20, 1000); err != nil {
			return err
		}
		return errors.Join(checkFloors(one, "after some messages"), checkFloors(other, "after some messages"))
	})
}

func sizeAfterClose(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		a, b := r.read(one), r.read(other)
		before := [2]int{one.MaxSize(core.Unreliable), one.MaxSize(core.Reliable)}
		one.Close(core.CodeNormal, "")
		for _, p := range []*peer{a, b} {
			if _, err := p.ended(0); err != nil {
				return err
			}
			for _, d := range deliveries {
				// The floors have a law of their own, which may be excepted.
				if got := p.MaxSize(d); got < min(floors[d], before[d]) {
					return fmt.Errorf("MaxSize(%s) was %d and is %d after the end", d, before[d], got)
				}
			}
		}
		return nil
	})
}

// sizes returns the lengths at the borders of what a Conn takes.
func sizes(e *env, c core.Conn, d core.Delivery) []int {
	n := c.MaxSize(d)
	if n > huge {
		e.logf("MaxSize(%s) is %d; messages of more than %d bytes are not tried", d, n, huge)
		n = huge
	}
	return slices.Compact([]int{0, 1, 2, n / 2, n - 1, n})
}

// plain makes a message without a number, of any size.
func plain(size int) []byte {
	if size < headSize {
		return bytes.Repeat([]byte{0x5A}, size)
	}
	return message(size, size)
}

func sizeReliable(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		for _, size := range sizes(e, from, core.Reliable) {
			msg := plain(size)
			var g group
			g.do(func() error {
				for range 2 { // twice, so that a merge shows
					if err := e.post(from, core.Reliable, msg); err != nil {
						return err
					}
				}
				return nil
			})
			for range 2 {
				got, err := to.next()
				if err != nil {
					return errors.Join(g.first(), fmt.Errorf("a Reliable message of %d bytes: %w", size, err))
				}
				if !bytes.Equal(got, msg) {
					return fmt.Errorf("a Reliable message of %d bytes arrived as another of %d", size, len(got))
				}
			}
			if err := g.wait(e, "Send"); err != nil {
				return err
			}
		}
		return nil
	})
}

func sizeUnreliable(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		sent := make(map[int]bool)
		for _, size := range sizes(e, from, core.Unreliable) {
			sent[size] = true
			msg, arrived := plain(size), false
			for start := time.Now(); !arrived; {
				if err := from.Send(core.Unreliable, msg); err != nil {
					if from.MaxSize(core.Unreliable) < size {
						break // it shrank, as it may
					}
					return fmt.Errorf("Send of %d unreliable bytes: %w", size, err)
				}
				select {
				case <-to.more:
				case <-to.done:
				case <-time.After(5 * time.Millisecond):
				}
				for got, err, ok := to.take(); ok; got, err, ok = to.take() {
					if err != nil {
						return err
					}
					if !sent[len(got)] || !bytes.Equal(got, plain(len(got))) {
						return fmt.Errorf("an Unreliable message of %d bytes arrived that was not sent, when some of %d were", len(got), size)
					}
					arrived = arrived || len(got) == size
				}
				if !arrived && time.Since(start) > e.wait {
					return fmt.Errorf("no Unreliable message of %d bytes has arrived within %v", size, e.wait)
				}
			}
		}
		return nil
	})
}

// tooLarge sends one byte more than c takes and returns the error, or a skip where that is
// more than can be tried. MaxSize may shrink meanwhile, but not grow by chance.
func tooLarge(c core.Conn, d core.Delivery, extra int) (size int, err error) {
	limit := c.MaxSize(d)
	if limit > huge {
		return 0, skip("MaxSize(%s) is %d, and a message of more than %d bytes is not tried", d, limit, huge)
	}
	return limit + extra, c.Send(d, make([]byte, limit+extra))
}

func sizeTooLarge(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		r.read(one)
		r.read(other)
		for _, d := range deliveries {
			for _, extra := range []int{1, 1000, 1 << 20} {
				before := one.MaxSize(d)
				size, err := tooLarge(one, d, extra)
				var skipped *skipError
				var large *core.TooLargeError
				switch {
				case errors.As(err, &skipped):
					e.logf("%v", err)
				case !errors.As(err, &large) || !errors.Is(err, core.ErrTooLarge):
					return fmt.Errorf("Send of MaxSize(%s)+%d bytes returned %v, want a *core.TooLargeError", d, extra, err)
				case large.Size != size || large.Delivery != d || large.Max != before && large.Max != one.MaxSize(d):
					return fmt.Errorf("Send of %d %s bytes, where %d are the most, returned %+v", size, d, before, *large)
				}
			}
		}
		return nil
	})
}

func sizeTooLargeSendsNothing(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		for i, d := range deliveries {
			if _, err := tooLarge(from, d, 1); errors.As(err, new(*skipError)) {
				e.logf("%v", err)
			} else if err == nil {
				return fmt.Errorf("Send of MaxSize(%s)+1 bytes returned no error", d)
			}
			if err := e.carry(from, to, 10*i, 10*i+3, 50); err != nil {
				return fmt.Errorf("after a %s message that was too large: %w", d, err)
			}
		}
		return e.untilOne(from, to, 1000, 50, nil)
	})
}
