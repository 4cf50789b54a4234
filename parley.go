package parley

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/udp"
)

// Server says what Serve plays. Schema and Match are required; the other fields
// are those of server.Config, where zero means the same.
type Server struct {
	// Schema lists the classes and calls that server and clients share.
	Schema *state.Schema
	// Match is one match, from the lobby to its end.
	Match func(*server.Room) error

	// TickRate is how many times a second the world moves. Zero means 60.
	TickRate int
	// UpdateRate is how many times a second clients get the state. Zero means 30.
	UpdateRate int
	// Seats is how many players a match takes. Zero means 64.
	Seats int
	// Rooms is how many matches run side by side at most. Zero means 1.
	Rooms int
	// Matches is how many matches are played before Serve returns. Zero means no end.
	Matches int
	// RefuseLate refuses players once a match has started. Zero means that they may
	// join late.
	RefuseLate bool
	// Grace is how long a player whose connection was lost keeps the seat. Zero
	// means 30 s, negative means not at all.
	Grace time.Duration

	// Sink keeps the snapshots and events of all matches. The caller closes it, after
	// Serve. Zero means that nothing is kept.
	Sink core.SnapshotSink
	// Restore is matches to go on with, from server.Load. Zero means none.
	Restore []*server.Saved

	// KeyFile holds the server's key, and is made if it is missing. Zero means a
	// fresh key at each start, with which the pin in the address changes. With a
	// Transport of your own it is an error: that one has the key.
	KeyFile string
	// Transport is how players reach the server. Zero means UDP, sealed (package udp).
	Transport core.Transport
	// Codec encodes values. Zero means codec.Msgp.
	Codec core.Codec
	// Logger gets what an operator wants to know. Zero means that warnings and errors,
	// such as a panic in the match, go to slog.Default; slog.DiscardHandler is silence.
	Logger *slog.Logger
	// Ready is called once with the address that players type, when they can. Zero
	// means that nobody is told.
	Ready func(addr string)
}

// Serve plays matches for the players who come in at addr, "host:port" or ":port",
// until ctx ends or Matches were played. See server.Server.Serve for what it
// returns.
func Serve(ctx context.Context, addr string, s Server) error {
	if s.Codec == nil {
		s.Codec = codec.Msgp{}
	}
	if s.Logger == nil {
		s.Logger = slog.New(loud{slog.Default().Handler()})
	}
	srv, err := server.New(server.Config{
		Schema: s.Schema, Codec: s.Codec, Match: s.Match,
		TickRate: s.TickRate, UpdateRate: s.UpdateRate, Seats: s.Seats, Rooms: s.Rooms, Matches: s.Matches,
		RefuseLate: s.RefuseLate, Grace: s.Grace, Sink: s.Sink, Restore: s.Restore, Logger: s.Logger,
	})
	if err != nil {
		return err
	}
	if s.Transport != nil && s.KeyFile != "" {
		return errors.New("parley: serve: KeyFile is for the default transport; give the key to your Transport instead (identity.Load reads the file)")
	}
	if s.Transport == nil {
		var cfg udp.Config
		if s.KeyFile != "" {
			if cfg.Identity, err = identity.Load(s.KeyFile); err != nil {
				return err
			}
		}
		s.Transport = udp.New(cfg)
	}
	ln, err := s.Transport.Listen(ctx, addr)
	if err != nil {
		return err
	}
	if s.Ready != nil {
		s.Ready(Address(ln))
	}
	return srv.Serve(ctx, ln)
}

// loud is a log handler for warnings and errors only.
type loud struct{ slog.Handler }

func (l loud) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && l.Handler.Enabled(ctx, level)
}

func (l loud) WithAttrs(attrs []slog.Attr) slog.Handler { return loud{l.Handler.WithAttrs(attrs)} }
func (l loud) WithGroup(name string) slog.Handler       { return loud{l.Handler.WithGroup(name)} }

// Address returns the address that players type to reach ln, with the pin of the
// server's key. Where ln listens on every interface, the host in it is localhost:
// from elsewhere players need the machine's own name or address there.
func Address(ln core.Listener) string {
	addr := ln.Addr().String()
	if host, port, err := net.SplitHostPort(addr); err == nil {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			addr = net.JoinHostPort("localhost", port)
		}
	}
	if p, ok := core.As[core.Pinner](ln); ok {
		return identity.Join(addr, p.Pin())
	}
	return addr
}

// Client says whom Dial joins as. Schema is required.
type Client struct {
	// Schema is the one that the server uses: the same variable, usually.
	Schema *state.Schema
	// Room is the name of the room to join. Zero means any that has a seat.
	Room string
	// Info is what the player says about itself to everyone in the room. Zero means
	// nothing.
	Info any
	// Transport reaches the server. Zero means UDP, sealed (package udp).
	Transport core.Transport
	// Codec is the one that the server uses. Zero means codec.Msgp.
	Codec core.Codec
	// Logger gets what a developer wants to know. Zero means that nothing is logged.
	Logger *slog.Logger
}

// Dial joins a match at addr, as the server printed it: "host:port#pin", where a
// server on this machine needs no pin. See client.Dial for its errors.
func Dial(ctx context.Context, addr string, c Client) (*client.Client, error) {
	if c.Codec == nil {
		c.Codec = codec.Msgp{}
	}
	if c.Transport == nil {
		c.Transport = udp.New(udp.Config{})
	}
	return client.Dial(ctx, addr, client.Config{
		Transport: c.Transport, Codec: c.Codec, Schema: c.Schema, Room: c.Room, Info: c.Info, Logger: c.Logger,
	})
}
