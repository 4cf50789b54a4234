package server

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/state"
)

// Config says what a Server plays. Schema, Codec and Match are required.
type Config struct {
	// Schema lists the classes and calls that server and clients share.
	Schema *state.Schema
	// Codec encodes values; clients need the same one.
	Codec core.Codec
	// Match is one match, from the lobby to its end, on a goroutine of its own:
	// sequential code like that of a single-player game. The room closes when it
	// returns. An error, or a panic, is logged; with Matches, Serve returns it.
	Match func(*Room) error

	// TickRate is how many times a second a room's world moves. Zero means 60.
	TickRate int
	// UpdateRate is how many times a second clients get the state, and send their
	// input; at most TickRate. Zero means 30, or TickRate if that is less.
	UpdateRate int
	// Seats is how many players a room takes. Zero means 64.
	Seats int
	// Rooms is how many rooms run side by side at most. Zero means 1.
	Rooms int
	// Matches is how many matches Serve plays before it returns. Zero means no end.
	Matches int
	// RefuseLate refuses players once a match has started, which is when Lobby.Wait
	// returns; a match that never waits takes players always. Zero means that they may
	// join late, and find the world as it is.
	RefuseLate bool

	// Timeout is how long a player may be silent before the connection counts as
	// lost. Zero means 10 s.
	Timeout time.Duration
	// Grace is how long a player whose connection was lost keeps the seat; the
	// player's objects stay meanwhile, and stand still. Zero means 30 s, negative
	// means not at all.
	Grace time.Duration
	// Bandwidth is how much state in bytes a second goes to each client at most;
	// what finds no room comes with a later update. Zero means 256 KiB.
	Bandwidth int
	// MessageRate is how many messages a second a client may send, on average over
	// two seconds; each whole KiB of a message counts as one more. Unreliable ones above
	// it are dropped and counted; Reliable ones end the connection. Zero means 1,000.
	MessageRate int

	// Sink keeps the snapshots and the events of all matches; see the package comment.
	// The server does not close it. Zero means that nothing is kept.
	Sink core.SnapshotSink
	// SnapshotEvery is how often each match that has started is written to the Sink,
	// beside what Room.Snapshot asks for: at its start, and so much later each time.
	// Zero means 30 s, negative means only what is asked for, and the last state.
	SnapshotEvery time.Duration
	// Restore is matches to go on with, from Load: each is played in a room of the name
	// that it had, which is open as soon as Serve is called. Zero means none.
	Restore []*Saved

	// Logger gets what an operator wants to know. Zero means that nothing is logged.
	Logger *slog.Logger
}

// The bounds of what the server keeps for each player and for strangers.
const (
	inboxMessages    = 256             // messages of a player that wait for the room
	inboxBytes       = 512 << 10       // and their bytes
	maxStrangers     = 1024            // connections without a seat; one more ends the oldest
	handshakeTimeout = 5 * time.Second // how long they may take to get one
	maxPacket        = 4096            // bytes of an Unreliable message, where the adapter takes as much
	heartbeat        = 100 * time.Millisecond
	settleTime       = time.Second            // at most, for the last state to reach the clients
	playersGap       = 100 * time.Millisecond // between two messages about who is here
	playersFrame     = 32 << 10               // bytes of such a message, about
)

// withDefaults returns the Config with its zeros replaced, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if err := c.Schema.Err(); err != nil {
		return c, err
	}
	if c.Codec == nil {
		return c, errors.New("parley: server: no Codec; codec.Msgp{} is the usual one")
	}
	if c.Match == nil {
		return c, errors.New("parley: server: no Match; it is the function that plays one match")
	}
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.TickRate, 60)
	def(&c.UpdateRate, min(30, c.TickRate))
	def(&c.Seats, 64)
	def(&c.Rooms, 1)
	def(&c.Bandwidth, 256<<10)
	def(&c.MessageRate, 1000)
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 30 * time.Second
	}
	c.Grace = max(0, c.Grace)
	if c.SnapshotEvery == 0 {
		c.SnapshotEvery = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.TickRate < 1 || c.TickRate > 1000:
		return c, fmt.Errorf("parley: server: TickRate %d: want 1 to 1000 ticks a second", c.TickRate)
	case c.UpdateRate < 1 || c.UpdateRate > c.TickRate:
		return c, fmt.Errorf("parley: server: UpdateRate %d: want 1 to TickRate (%d) updates a second", c.UpdateRate, c.TickRate)
	case c.Seats < 0 || c.Rooms < 0 || c.Matches < 0 || c.Bandwidth < 0 || c.MessageRate < 0 || c.Timeout < 0:
		return c, errors.New("parley: server: a limit in the Config is negative")
	}
	return c, nil
}
