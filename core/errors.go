package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The errors that callers tell apart. Adapters wrap them, keeping the cause, so
// that errors.Is finds both (see Errorf).
var (
	// ErrClosed: the Conn, Listener or engine part was closed. Every *CloseError is
	// an ErrClosed.
	ErrClosed = errors.New("parley: closed")
	// ErrTooLarge: the message is longer than MaxSize allows. See TooLargeError.
	ErrTooLarge = errors.New("parley: message too large")
	// ErrBackpressure: the queue towards the peer is full; the message was not
	// queued. Send less, or wait and try again.
	ErrBackpressure = errors.New("parley: the peer does not keep up")
	// ErrRefused: nobody listens there, or the peer said no.
	ErrRefused = errors.New("parley: connection refused")
	// ErrTimeout: no answer in time, or the peer fell silent.
	ErrTimeout = errors.New("parley: timed out")
	// ErrUntrusted: the server's key is not the one that the address pins, or the
	// address needs a pin.
	ErrUntrusted = errors.New("parley: server is not trusted")
	// ErrUnsupported: the value, or the ability, is not one that this adapter has.
	ErrUnsupported = errors.New("parley: not supported")
	// ErrNotFound: there is no such match, snapshot or object.
	ErrNotFound = errors.New("parley: not found")
	// ErrMalformed: bytes that are not what their place asks for.
	ErrMalformed = errors.New("parley: malformed data")
)

// Errorf makes an error that reads as the formatted text and that errors.Is and
// errors.As find in kind as well as in every %w argument: how an adapter
// translates a foreign error into one of the errors above and keeps the cause.
func Errorf(kind error, format string, args ...any) error {
	return &kindError{kind: kind, err: fmt.Errorf(format, args...)}
}

type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// TooLargeError says by how much a message was too large. It is an ErrTooLarge.
type TooLargeError struct {
	Size, Max int // bytes
	Delivery  Delivery
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("parley: message of %d bytes is too large: %s takes at most %d", e.Size, e.Delivery, e.Max)
}

// Is reports whether target is ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// Code says why a connection ended. Codes below CodeApp are parley's; a game's
// own begin at CodeApp.
type Code uint16

// Reasons why a connection ends.
const (
	CodeNormal       Code = iota // on purpose, and all is well
	CodeShutdown                 // the server goes down or the room closes
	CodeTimeout                  // the peer fell silent
	CodeProtocol                 // the peer sent what it must not send
	CodeRefused                  // the peer may not come in
	CodeFull                     // no free seat
	CodeStarted                  // the match runs, and takes no late joiners
	CodeIncompatible             // another protocol, codec or schema
	CodeKicked                   // thrown out by the game
	CodeSlow                     // the peer does not take its messages in time
	CodeFlood                    // the peer sends more than it may
	CodeInternal                 // the side that closes failed
	CodeLost                     // the connection broke, and nobody said goodbye
	CodeApp          Code = 1000 // the first code that is the game's own
)

var codeNames = [...]string{"normal", "shutdown", "timeout", "protocol violation", "refused", "full", "started",
	"incompatible", "kicked", "too slow", "flood", "internal error", "connection lost"}

// String names the code, such as "kicked" or "app code 1003".
func (c Code) String() string {
	switch {
	case int(c) < len(codeNames):
		return codeNames[c]
	case c >= CodeApp:
		return fmt.Sprintf("app code %d", uint16(c))
	}
	return fmt.Sprintf("code %d", uint16(c))
}

// CloseError says who ended a connection, and why. It is an ErrClosed; one with
// CodeTimeout is an ErrTimeout also, and one with CodeRefused, CodeFull,
// CodeStarted or CodeIncompatible an ErrRefused.
type CloseError struct {
	Code   Code
	Reason string // for people; may be empty
	Remote bool   // the peer ended it
	Err    error  // what the adapter knows beyond that; may be nil
}

func (e *CloseError) Error() string {
	var b strings.Builder
	b.WriteString("parley: connection closed")
	if e.Remote {
		b.WriteString(" by the peer")
	}
	if e.Code != CodeNormal || e.Reason == "" {
		b.WriteString(" (" + e.Code.String() + ")")
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns what the adapter knows beyond code and reason.
func (e *CloseError) Unwrap() error { return e.Err }

// Is reports whether target is one of the errors that e stands for.
func (e *CloseError) Is(target error) bool {
	switch target {
	case ErrClosed:
		return true
	case ErrTimeout:
		return e.Code == CodeTimeout
	case ErrRefused:
		switch e.Code {
		case CodeRefused, CodeFull, CodeStarted, CodeIncompatible:
			return true
		}
	}
	return false
}

// CutReason cuts a reason to MaxReason bytes, never inside a character.
// Adapters call it before they send one.
func CutReason(reason string) string {
	if len(reason) <= MaxReason {
		return reason
	}
	cut := MaxReason
	for cut > 0 && !utf8.RuneStart(reason[cut]) {
		cut--
	}
	return reason[:cut]
}

// DialError turns the error that ended a Dial into one of this package's: a
// deadline that passed becomes ErrTimeout, a context that was cancelled stays what
// it is and is of no kind, and anything else is of the given kind. The cause is kept.
// It returns nil for a nil err.
func DialError(kind error, addr string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		kind = ErrTimeout
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("parley: dial %s: %w", addr, err)
	}
	return Errorf(kind, "parley: dial %s: %w", addr, err)
}
