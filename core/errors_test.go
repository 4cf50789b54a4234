package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
)

var sentinels = []error{
	core.ErrClosed, core.ErrTooLarge, core.ErrBackpressure, core.ErrRefused, core.ErrTimeout,
	core.ErrUntrusted, core.ErrUnsupported, core.ErrNotFound, core.ErrMalformed,
}

// are returns those of the package's errors that err is.
func are(err error) (is []error) {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			is = append(is, s)
		}
	}
	return is
}

func TestSentinels(t *testing.T) {
	for _, err := range sentinels {
		if is := are(err); len(is) != 1 {
			t.Errorf("%q is %v", err, is)
		}
		if !strings.HasPrefix(err.Error(), "parley: ") {
			t.Errorf("%q does not say whose it is", err)
		}
	}
}

func TestErrorf(t *testing.T) {
	cause := &core.TooLargeError{Size: 2, Max: 1}
	err := core.Errorf(core.ErrRefused, "dial %s: %w, and %w", "there", io.ErrUnexpectedEOF, cause)
	if got, want := err.Error(), "dial there: unexpected EOF, and "+cause.Error(); got != want {
		t.Errorf("it reads %q, want %q", got, want)
	}
	for _, target := range []error{core.ErrRefused, io.ErrUnexpectedEOF, core.ErrTooLarge} {
		if !errors.Is(err, target) {
			t.Errorf("it is no %q", target)
		}
	}
	var large *core.TooLargeError
	if !errors.As(err, &large) || large != cause {
		t.Errorf("errors.As found %v", large)
	}
	if errors.Is(err, core.ErrTimeout) || errors.Is(err, io.EOF) {
		t.Error("it is errors that it has nothing to do with")
	}
	if outer := fmt.Errorf("outer: %w", err); !errors.Is(outer, core.ErrRefused) || !errors.Is(outer, io.ErrUnexpectedEOF) {
		t.Error("wrapped once more, it is not found")
	}
}

func TestTooLargeError(t *testing.T) {
	err := fmt.Errorf("send: %w", &core.TooLargeError{Size: 1300, Max: 1200, Delivery: core.Unreliable})
	if is := are(err); len(is) != 1 || is[0] != core.ErrTooLarge {
		t.Errorf("it is %v", is)
	}
	if want := "send: parley: message of 1300 bytes is too large: unreliable takes at most 1200"; err.Error() != want {
		t.Errorf("it reads %q, want %q", err, want)
	}
}

func TestCloseError(t *testing.T) {
	timeout, refused := []error{core.ErrTimeout}, []error{core.ErrRefused}
	for _, c := range []struct {
		err  *core.CloseError
		text string
		is   []error
	}{
		{&core.CloseError{}, "parley: connection closed (normal)", nil},
		{&core.CloseError{Reason: "left"}, "parley: connection closed: left", nil},
		{&core.CloseError{Remote: true, Reason: "left"}, "parley: connection closed by the peer: left", nil},
		{&core.CloseError{Code: core.CodeKicked, Remote: true, Reason: "swearing"}, "parley: connection closed by the peer (kicked): swearing", nil},
		{&core.CloseError{Code: core.CodeInternal, Err: io.EOF}, "parley: connection closed (internal error): EOF", []error{io.EOF}},
		{&core.CloseError{Code: core.CodeTimeout}, "parley: connection closed (timeout)", timeout},
		{&core.CloseError{Code: core.CodeRefused}, "parley: connection closed (refused)", refused},
		{&core.CloseError{Code: core.CodeFull}, "parley: connection closed (full)", refused},
		{&core.CloseError{Code: core.CodeStarted}, "parley: connection closed (started)", refused},
		{&core.CloseError{Code: core.CodeIncompatible, Remote: true}, "parley: connection closed by the peer (incompatible)", refused},
		{&core.CloseError{Code: core.CodeApp + 3, Reason: "bored"}, "parley: connection closed (app code 1003): bored", nil},
	} {
		if got := c.err.Error(); got != c.text {
			t.Errorf("it reads %q, want %q", got, c.text)
		}
		wrapped := fmt.Errorf("recv: %w", c.err)
		if !errors.Is(wrapped, core.ErrClosed) {
			t.Errorf("%q is no ErrClosed", c.text)
		}
		for _, target := range append([]error{core.ErrTimeout, core.ErrRefused, io.EOF}, sentinels...) {
			want := target == core.ErrClosed
			for _, is := range c.is {
				want = want || target == is
			}
			if got := errors.Is(wrapped, target); got != want {
				t.Errorf("errors.Is(%q, %q) is %v, want %v", c.text, target, got, want)
			}
		}
	}
}

func TestCodeString(t *testing.T) {
	seen := make(map[string]bool)
	for c := core.CodeNormal; c <= core.CodeLost; c++ {
		s := c.String()
		if seen[s] || strings.HasPrefix(s, "code") {
			t.Errorf("code %d is called %q", uint16(c), s)
		}
		seen[s] = true
	}
	for c, want := range map[core.Code]string{
		core.CodeLost + 1: "code 13", core.CodeApp - 1: "code 999",
		core.CodeApp: "app code 1000", 65535: "app code 65535",
	} {
		if c.String() != want {
			t.Errorf("code %d is called %q, want %q", uint16(c), c, want)
		}
	}
}

func TestDeliveryString(t *testing.T) {
	for d, want := range map[core.Delivery]string{core.Unreliable: "unreliable", core.Reliable: "reliable", 7: "delivery 7"} {
		if d.String() != want {
			t.Errorf("delivery %d is called %q, want %q", uint8(d), d, want)
		}
	}
}

func TestCutReason(t *testing.T) {
	full := strings.Repeat("a", core.MaxReason)
	for _, c := range []struct{ name, reason, want string }{
		{"empty", "", ""},
		{"short", "left", "left"},
		{"just fits", full, full},
		{"one too many", full + "b", full},
		{"a character across the cut", full[1:] + "é", full[1:]},
		{"a character before the cut", full[2:] + "éb", full[2:] + "é"},
		{"a long character across the cut", full[3:] + "😀", full[3:]},
		{"no text at all", strings.Repeat("\x80", core.MaxReason+1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := core.CutReason(c.reason)
			if got != c.want {
				t.Errorf("%d bytes were cut to %q, want %q", len(c.reason), got, c.want)
			}
			if len(got) > core.MaxReason || !utf8.ValidString(got) {
				t.Errorf("%q is too long or no text", got)
			}
		})
	}
}

func TestDialError(t *testing.T) {
	if err := core.DialError(core.ErrRefused, "there", nil); err != nil {
		t.Errorf("of no error it made %v", err)
	}
	past, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, c := range []struct {
		name  string
		cause error
		is    []error
	}{
		{"the kind it was given", io.EOF, []error{core.ErrRefused, io.EOF}},
		{"a deadline", past.Err(), []error{core.ErrTimeout, context.DeadlineExceeded}},
		{"a deadline, wrapped", fmt.Errorf("read: %w", context.DeadlineExceeded), []error{core.ErrTimeout, context.DeadlineExceeded}},
		{"given up", context.Canceled, []error{context.Canceled}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := core.DialError(core.ErrRefused, "there:1", c.cause)
			if want := "parley: dial there:1: " + c.cause.Error(); err.Error() != want {
				t.Errorf("it reads %q, want %q", err, want)
			}
			for _, target := range append([]error{io.EOF, context.Canceled, context.DeadlineExceeded}, sentinels...) {
				want := false
				for _, is := range c.is {
					want = want || target == is
				}
				if got := errors.Is(err, target); got != want {
					t.Errorf("errors.Is(%q, %q) is %v, want %v", err, target, got, want)
				}
			}
		})
	}
}
