package core

import (
	"context"
	"iter"
	"time"
)

// SnapshotSink keeps what happens in matches: snapshots of their state and their
// events, for people and tools to read later (thesis §5.2.9). It is safe for
// concurrent use.
//
// Writes are idempotent: each carries a key, and writing the same key again must
// leave one copy. So a caller that does not know whether a write arrived simply
// writes again.
type SnapshotSink interface {
	// WriteSnapshot stores s under (Match, Epoch, Tick). It must return only when
	// the snapshot is as safe as the adapter promises, or with an error, within
	// ctx. After an error the snapshot may or may not be stored.
	WriteSnapshot(ctx context.Context, s Snapshot) error

	// WriteEvents stores events in order, each under (Match, Epoch, Seq), and
	// returns how many from the front are stored for certain. n < len(events)
	// comes with an error that says why; the caller writes events[n:] again.
	WriteEvents(ctx context.Context, events []Event) (n int, err error)

	// Close waits, within ctx, for writes under way and releases what the sink
	// holds. Writes after it must return ErrClosed. It is idempotent.
	Close(ctx context.Context) error
}

// Snapshot is the state of one match at one tick. It describes itself: nobody
// needs the game's types to read it.
type Snapshot struct {
	Match string    // the match's name, unique in the store
	Epoch uint64    // grows each time the match is restored, so that it never meets its past
	Tick  uint64    // server tick
	Time  time.Time // wall clock at that tick

	// Objects yields the objects in ascending order of ID. It reads a frozen
	// copy: it may be ranged over once or again, on any goroutine, until
	// WriteSnapshot returns. The slices it yields must not be changed or kept.
	Objects iter.Seq[ObjectState]
}

// ObjectState is one object of a Snapshot.
type ObjectState struct {
	ID     uint64
	Class  string
	Owner  uint32 // the player's id; 0 is the server
	Alive  bool
	Fields []Field // in the order of the class's declaration
}

// Field is one named value: nil, bool, int64, uint64, float64, string, []byte,
// time.Time, or []any and map[string]any of these. Any other value is the
// sink's to refuse with ErrUnsupported.
type Field struct {
	Name  string
	Value any
}

// Event is one thing that happened in a match.
type Event struct {
	Match string
	Epoch uint64
	Seq   uint64 // from 1, without gaps, within a match and epoch
	Tick  uint64
	Time  time.Time
	Kind  string // such as "joined", "left", "kicked", or the game's own
	// Player is the player it is about; 0 where it is about none.
	Player uint32
	Data   map[string]any // values as in Field; may be nil
}

// SnapshotReader is an optional ability of a SnapshotSink: reading back what was
// written.
type SnapshotReader interface {
	// Matches yields the names of stored matches in ascending order.
	Matches(ctx context.Context) ([]string, error)
	// Latest returns the newest snapshot of a match: of the highest epoch, the one
	// of the highest tick. It returns an error that wraps ErrNotFound if there is none.
	Latest(ctx context.Context, match string) (Snapshot, error)
	// Snapshots yields the snapshots of a match from one tick to another, both
	// included, in order of (Epoch, Tick). It stops after yielding an error.
	Snapshots(ctx context.Context, match string, from, to uint64) iter.Seq2[Snapshot, error]
	// Events yields the events of a match from one tick to another, both included,
	// in order of (Epoch, Seq). It stops after yielding an error.
	Events(ctx context.Context, match string, from, to uint64) iter.Seq2[Event, error]
}
