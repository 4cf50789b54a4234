package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var silenceLaws = []law[Transport]{
	{"Silence/Noticed",
		"A peer that falls silent ends the connection, on either side, with a *core.CloseError that is core.ErrTimeout, within Timeout.",
		silenceNoticed},
	{"Silence/Dial",
		"A Dial that nobody answers returns within its context with core.ErrTimeout, and wraps the context's error.",
		silenceDial},
	{"Silence/Send",
		"Send to a peer that fell silent does not block: it ends in core.ErrBackpressure or in the *core.CloseError.",
		silenceSend},
	{"Silence/Close",
		"Close of a connection whose peer fell silent returns within the linger, and both sides end.",
		silenceClose},
}

// silent opens a room on whose network silence can fall.
func (h Transport) silent(e *env) (*room, func(), error) {
	if h.Silent != nil {
		t, silence := h.Silent(e.tb)
		r, err := h.openOn(e, t)
		return r, silence, err
	}
	r, err := h.through(e)
	if err != nil {
		return nil, nil, err
	}
	return r, func() { r.p.Stall(netsim.BothWays) }, nil
}

func silenceNoticed(e *env, h Transport) error {
	r, silence, err := h.silent(e)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	if err := errors.Join(e.carry(d, a, 0, 3, 100), e.carry(a, d, 0, 3, 100)); err != nil {
		return err
	}
	silence()
	start := time.Now()
	for i, p := range []*peer{d, a} {
		who := []string{"the dialer", "the listener's side"}[i]
		end, err := p.ended(h.Timeout)
		if err != nil {
			return fmt.Errorf("%s, %v after its peer fell silent: %w", who, time.Since(start), err)
		}
		if !errors.Is(end, core.ErrTimeout) {
			return fmt.Errorf("%s ended with %q when its peer fell silent, which is no core.ErrTimeout", who, end)
		}
	}
	return nil
}

func silenceDial(e *env, h Transport) error {
	r, silence, err := h.silent(e)
	if err != nil {
		return err
	}
	defer r.close()
	silence()
	ctx, cancel := context.WithTimeout(e, e.dialDeadline()/2)
	defer cancel()
	switch c, err := r.dial(ctx); {
	case err == nil && r.p != nil: // whose kernel answered, which is enough for some
		end, err := r.read(c).ended(h.Timeout)
		if err != nil {
			return fmt.Errorf("a Conn that was dialled into the silence: %w", err)
		}
		if !errors.Is(end, core.ErrTimeout) {
			return fmt.Errorf("a Conn that was dialled into the silence ended with %q, which is no core.ErrTimeout", end)
		}
	case err == nil:
		return fmt.Errorf("Dial into the silence returned a Conn to %v", c.RemoteAddr())
	case !errors.Is(err, core.ErrTimeout):
		return fmt.Errorf("Dial into the silence returned %q, which is no core.ErrTimeout", err)
	case ctx.Err() != nil && time.Since(deadline(ctx)) > 0 && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("Dial returned %q, which does not wrap %q", err, ctx.Err())
	}
	return nil
}

func deadline(ctx context.Context) time.Time { t, _ := ctx.Deadline(); return t }

func silenceSend(e *env, h Transport) error {
	r, silence, err := h.silent(e)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	silence()
	for _, p := range []*peer{d, a} {
		if _, _, err := e.stuffSoon(p, 0); err != nil && !errors.Is(err, core.ErrClosed) {
			return err
		}
		if _, err := e.floodSoon(p, h.Timeout); err != nil && !errors.Is(err, core.ErrClosed) {
			return err
		}
	}
	return nil
}

func silenceClose(e *env, h Transport) error {
	r, silence, err := h.silent(e)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	silence()
	if err := e.postAll(d, 0, 5, 1000); err != nil && !errors.Is(err, core.ErrClosed) {
		return err
	}
	_, err = withinExtra(e, core.DefaultLinger, "Close, to a peer that fell silent,", func() (struct{}, error) {
		d.Close(core.CodeNormal, "are you there?")
		return struct{}{}, nil
	})
	if err != nil {
		return err
	}
	if _, err := d.ended(0); err != nil {
		return fmt.Errorf("on the side that closed: %w", err)
	}
	if _, err := a.ended(h.Timeout); err != nil {
		return fmt.Errorf("on the peer's side: %w", err)
	}
	return nil
}
