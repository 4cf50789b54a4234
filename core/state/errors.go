package state

import (
	"errors"
	"fmt"

	"github.com/parley-net/parley/core"
)

// ErrNotSpawned: the object is not part of a world, or was despawned.
var ErrNotSpawned = errors.New("parley: object is not in a world")

// ErrStale: a packet tells differences from a state that is forgotten. It was
// overtaken by newer ones; drop it.
var ErrStale = errors.New("parley: packet was overtaken: its baseline is forgotten")

// AuthorityError is the panic of an operation that only the server may do, such
// as Var.Set on a client: a mistake in the program, not in its input.
type AuthorityError struct {
	Op     string // such as "Var.Set"
	Object string // such as "Knight 7"
}

func (e *AuthorityError) Error() string {
	return fmt.Sprintf("parley: %s on %s: only the server may do that; ask it with a call or an event", e.Op, e.Object)
}

// ValueError is the panic of Var.Set, and the error of a spawn, for a value that
// cannot travel: the codec refuses it, or its encoding is longer than MaxValue.
type ValueError struct {
	Field string // such as "Knight.Inventory"
	Err   error
}

func (e *ValueError) Error() string { return fmt.Sprintf("parley: value of %s: %v", e.Field, e.Err) }

// Unwrap returns the codec's error, or an ErrTooLarge.
func (e *ValueError) Unwrap() error { return e.Err }

// MaxValue is the longest encoding in bytes of one variable, or of all spawn-time
// fields of one object together.
const MaxValue = core.MinReliableSize - 1024

func tooLong(n int) error {
	return &core.TooLargeError{Size: n, Max: MaxValue, Delivery: core.Reliable}
}
