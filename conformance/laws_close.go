package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-net/parley/core"
)

var closeLaws = []law[Transport]{
	{"Close/Flush",
		"Reliable messages sent right before Close arrive, if the peer takes them, and then the end.",
		closeFlush},
	{"Close/Drain",
		"What arrived whole before the end is returned by Recv first, also when Recv is called only after the peer has closed.",
		closeDrain},
	{"Close/SameForEver",
		"Behind the last message Recv returns the same *core.CloseError for ever, whatever its context says and whoever closes later.",
		closeSameForEver},
	{"Close/CodeAndReason",
		"The peer's Recv returns code and reason of Close, with Remote set, and one's own Recv returns them without.",
		closeCodeAndReason},
	{"Close/ReasonIsCut",
		"A reason longer than core.MaxReason arrives cut to it, at a boundary of UTF-8.",
		closeReasonIsCut},
	{"Close/FirstCounts",
		"Close is idempotent: the first code and reason count, later calls return nil.",
		closeFirstCounts},
	{"Close/UnblocksRecv",
		"Close unblocks a Recv that waits.",
		closeUnblocksRecv},
	{"Close/Returns",
		"Close returns within the linger even if the peer takes nothing, and the connection ends on both sides.",
		closeReturns},
}

func closeFlush(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		const n = 60
		r.read(one)
		to := r.read(other)
		if err := e.postAll(one, 0, n, 4000); err != nil {
			return err
		}
		if err := e.post(one, core.Reliable, message(n, core.MinReliableSize/2)); err != nil {
			return err
		}
		var g group
		g.do(func() error { return one.Close(core.CodeShutdown, "that was all") })
		for id := range n + 1 {
			if err := to.expect(id); err != nil {
				return fmt.Errorf("of %d messages sent right before Close: %w", n+1, err)
			}
		}
		end, err := to.ended(0)
		if err != nil {
			return err
		}
		if end.Code != core.CodeShutdown || !end.Remote {
			return fmt.Errorf("behind the last message Recv returned %+v, want what Close said", *end)
		}
		return g.wait(e, "Close")
	})
}

func closeDrain(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		const n = 30
		r.read(one)
		if err := e.postAll(one, 0, n, 300); err != nil {
			return err
		}
		var g group
		g.do(func() error { return one.Close(core.CodeNormal, "") })
		time.Sleep(50 * time.Millisecond) // all of it is there
		for id := range n {
			msg, err := e.recv(other)
			if err != nil {
				return fmt.Errorf("Recv of message %d of %d that were sent before Close: %w", id, n, err)
			}
			if got, err := number(msg); err != nil || got != id {
				return errors.Join(err, fmt.Errorf("message %d arrived, want %d", got, id))
			}
		}
		if _, err := e.recv(other); !errors.Is(err, core.ErrClosed) {
			return fmt.Errorf("behind the last message Recv returned %v, want a *core.CloseError", err)
		}
		return g.wait(e, "Close")
	})
}

func closeSameForEver(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		if err := e.post(one, core.Reliable, message(0, 10)); err != nil {
			return err
		}
		var g group
		g.do(func() error { return one.Close(core.CodeKicked, "out") })
		if _, err := e.recv(other); err != nil {
			return fmt.Errorf("Recv of the message that was sent before Close: %w", err)
		}
		over, cancel := context.WithCancel(e)
		cancel()
		for _, c := range []core.Conn{other, one} {
			_, err := e.recv(c)
			first, err := closeError("Recv", err)
			if err != nil {
				return err
			}
			for i := range 40 {
				ctx := context.Context(e)
				if i%2 == 1 {
					ctx = over
				}
				if i == 20 {
					_, err := within(e, "a later Close", func() (struct{}, error) { return struct{}{}, c.Close(core.CodeApp, "no, me") })
					if err != nil {
						return err
					}
				}
				_, err := within(e, "Recv after the end", func() ([]byte, error) { return c.Recv(ctx) })
				again, err := closeError(fmt.Sprintf("Recv number %d after the end", i+2), err)
				if err != nil {
					return err
				}
				if err := sameEnd(first, again); err != nil {
					return fmt.Errorf("Recv number %d after the end: %w", i+2, err)
				}
			}
		}
		return g.wait(e, "Close")
	})
}

// ends closes one with code and reason and returns how each side saw it.
func (e *env) ends(r *room, one, other core.Conn, code core.Code, reason string) (here, there *core.CloseError, err error) {
	a, b := r.read(one), r.read(other)
	if _, err := within(e, "Close", func() (struct{}, error) { one.Close(code, reason); return struct{}{}, nil }); err != nil {
		return nil, nil, err
	}
	if here, err = a.ended(0); err != nil {
		return nil, nil, fmt.Errorf("on the side that closed: %w", err)
	}
	if there, err = b.ended(0); err != nil {
		return nil, nil, fmt.Errorf("on the peer's side: %w", err)
	}
	return here, there, nil
}

func closeCodeAndReason(e *env, h Transport) error {
	cases := []struct {
		code   core.Code
		reason string
	}{
		{core.CodeNormal, ""},
		{core.CodeKicked, "Grüße, 世界 👋"},
		{core.CodeApp + 1, "line\nbreak and \x00 zero"},
		{65535, strings.Repeat("x", core.MaxReason)},
	}
	i := 0
	check := func(r *room, one, other core.Conn) error {
		want := cases[i%len(cases)]
		i++
		here, there, err := e.ends(r, one, other, want.code, want.reason)
		if err != nil {
			return err
		}
		if there.Code != want.code || there.Reason != want.reason || !there.Remote {
			return fmt.Errorf("Close(%d, %q) reached the peer as %+v", want.code, want.reason, *there)
		}
		if here.Code != want.code || here.Reason != want.reason || here.Remote {
			return fmt.Errorf("Close(%d, %q) is for one's own Recv %+v", want.code, want.reason, *here)
		}
		return nil
	}
	for range len(cases) / 2 {
		if err := h.eachEnd(e, check); err != nil {
			return err
		}
	}
	i = 1 // and each case from the other end
	for range len(cases) / 2 {
		if err := h.eachEnd(e, check); err != nil {
			return err
		}
	}
	return nil
}

func closeReasonIsCut(e *env, h Transport) error {
	reasons := []string{strings.Repeat("é", core.MaxReason), "x" + strings.Repeat("世", core.MaxReason)}
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		reason := reasons[0]
		reasons = reasons[1:]
		_, there, err := e.ends(r, one, other, core.CodeFull, reason)
		if err != nil {
			return err
		}
		if want := core.CutReason(reason); there.Reason != want {
			return fmt.Errorf("a reason of %d bytes arrived with %d, want %d: %q", len(reason), len(there.Reason), len(want), there.Reason)
		}
		return nil
	})
}

func closeFirstCounts(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		to := r.read(other)
		from := r.read(one)
		if _, err := within(e, "Close", func() (struct{}, error) { one.Close(core.CodeApp, "first"); return struct{}{}, nil }); err != nil {
			return err
		}
		for range 3 {
			_, err := within(e, "a later Close", func() (struct{}, error) { return struct{}{}, one.Close(core.CodeKicked, "second") })
			if err != nil {
				return fmt.Errorf("a later Close returned %w, want nil", err)
			}
		}
		for _, p := range []*peer{to, from} {
			end, err := p.ended(0)
			if err != nil {
				return err
			}
			if end.Code != core.CodeApp || end.Reason != "first" {
				return fmt.Errorf("after Close(%v, first) and Close(%v, second) Recv returned %+v", core.CodeApp, core.CodeKicked, *end)
			}
		}
		return nil
	})
}

func closeUnblocksRecv(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		r.read(other)
		p := r.read(one)
		time.Sleep(20 * time.Millisecond) // so that Recv waits
		go guard(func() error { return one.Close(core.CodeNormal, "") })
		_, err := p.ended(0)
		return err
	})
}

func closeReturns(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		from := r.read(one)
		if _, _, err := e.stuffSoon(one, 0); err != nil && !errors.Is(err, errNeverFull) {
			return err
		}
		// Nobody reads at the other end.
		_, err := withinExtra(e, core.DefaultLinger, "Close, to a peer that takes nothing,", func() (struct{}, error) {
			one.Close(core.CodeSlow, "you do not read")
			return struct{}{}, nil
		})
		if err != nil {
			return err
		}
		if _, err := from.ended(0); err != nil {
			return fmt.Errorf("on the side that closed: %w", err)
		}
		if _, err := r.read(other).ended(h.Timeout); err != nil {
			return fmt.Errorf("on the peer's side, once it reads: %w", err)
		}
		return nil
	})
}
