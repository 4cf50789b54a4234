package spool

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley/core"
)

// Defaults of a Config.
const (
	DefaultMaxBytes = 256 << 20
	DefaultTimeout  = 15 * time.Second
)

// MinMaxBytes is the least that Config.MaxBytes may be.
const MinMaxBytes = 64 << 10

const (
	segmentBytes = 4 << 20                // of a segment, or a sixteenth of MaxBytes where that is less
	chunkBytes   = 64 << 10               // of the events of one call that wait for one fsync, about
	batchEvents  = 256                    // in one call of the store
	batchBytes   = 256 << 10              // of events that are read for it at once, about
	minBackoff   = 100 * time.Millisecond // before the store is called again after a failure
	maxBackoff   = 5 * time.Second        // doubled up to this after each more
	closeGrace   = time.Second            // for what is under way when the context of Close ends
	noticeEvery  = 10 * time.Second       // between two messages about the same
)

// Policy says what a spool does when it is full, or about to be.
type Policy uint8

const (
	// DropSnapshots makes room when the spool is full by dropping snapshots that were
	// not shipped and of whose match a newer one waits. Events are never dropped, nor is
	// the newest snapshot of a match. What finds no room even so is refused.
	DropSnapshots Policy = iota
	// LatestSnapshot does not ship a snapshot behind which a newer one of the same match
	// waits, full or not, so that the store catches up soon after an outage. When full
	// it does what DropSnapshots does.
	LatestSnapshot
	// Refuse drops nothing: what finds no room is refused.
	Refuse
)

// Config says what a Sink wraps and how. Dir and Sink are needed.
type Config struct {
	// Dir is the folder of the spool, which is the spool's alone; it is made if there is
	// none. It should be on a disk of this machine: over a network, fsync and locks are
	// often less than they say. Zero is an error.
	Dir string

	// Sink is the store's sink, which Close closes. It must keep the laws of
	// core.SnapshotSink: above all, that writing the same key again leaves one copy.
	// Zero is an error.
	Sink core.SnapshotSink

	// MaxBytes is how much the spool may hold on disk, at least MinMaxBytes. An eighth of
	// it is left for rewriting files when snapshots are dropped, and for what the store
	// refuses. Zero means DefaultMaxBytes.
	MaxBytes int64

	// Full is what happens when that is not enough. Zero means DropSnapshots.
	Full Policy

	// Timeout is how long one call of Sink may take; then it counts as failed, and is
	// made again. So it must be enough for the largest snapshot. Zero means
	// DefaultTimeout.
	Timeout time.Duration

	// HighWater is called when the spool has filled to three quarters, and again when
	// it does so after it had emptied to a half. It runs on the goroutine of the write
	// that passed the mark, and must return soon. Zero means that nothing is called; the
	// log and Stats say it too.
	HighWater func(Stats)

	// Salvage has New go on where a file of an earlier process is damaged or missing: all
	// that can still be read is shipped, each piece that cannot is logged, and damaged
	// files are kept under names that end in ".damaged". Zero means that New fails.
	Salvage bool

	// Log is told what an operator wants to know, each matter at most once in ten
	// seconds. Zero means slog.Default.
	Log *slog.Logger

	// Seed decides the jitter of the pauses between calls of a store that fails. Zero
	// means a new one for each Sink.
	Seed uint64

	disk disk // of tests; nil means Dir
}

// withDefaults returns the Config with its zeros replaced, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Dir == "":
		return c, errors.New("spool: Config.Dir is not set; it is the folder where records wait")
	case c.Sink == nil:
		return c, errors.New("spool: Config.Sink is not set; it is the sink that records wait for")
	case c.MaxBytes != 0 && c.MaxBytes < MinMaxBytes:
		return c, fmt.Errorf("spool: Config.MaxBytes is %d; want at least %d, or 0 for %d", c.MaxBytes, MinMaxBytes, DefaultMaxBytes)
	case c.Timeout < 0:
		return c, fmt.Errorf("spool: Config.Timeout is %v; want more than nothing, or 0 for %v", c.Timeout, DefaultTimeout)
	case c.Full > Refuse:
		return c, fmt.Errorf("spool: Config.Full is %d; want DropSnapshots, LatestSnapshot or Refuse", c.Full)
	}
	c.MaxBytes = cmp.Or(c.MaxBytes, DefaultMaxBytes)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	return c, nil
}
