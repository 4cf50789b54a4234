package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/link"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// Config says whom a Client joins as. Transport, Codec and Schema are required.
type Config struct {
	// Transport reaches the server.
	Transport core.Transport
	// Codec is the one that the server uses.
	Codec core.Codec
	// Schema is the one that the server uses: the same variable, usually.
	Schema *state.Schema
	// Room is the name of the room to join. Zero means any that has a seat.
	Room string
	// Info is what the player says about itself to everyone in the room, any value
	// that the codec takes, at most lobby.MaxInfo bytes of it. Zero means nothing.
	Info any
	// Timeout is how long the server may be silent before the connection counts as
	// lost. Zero means 10 s.
	Timeout time.Duration
	// Logger gets what a developer wants to know. Zero means that nothing is logged.
	Logger *slog.Logger
}

// LinkStats is what the client knows of its link to the server.
type LinkStats = link.Stats

// Client is one player's connection to a match. It belongs to one goroutine: that
// of whoever calls Update or ranges over Frames, where hooks and handlers run too.
// Only Close and Err are for any goroutine.
type Client struct {
	cfg    Config
	log    *slog.Logger
	conn   core.Conn
	id     state.PlayerID
	room   string
	tick   time.Duration
	update time.Duration

	replica *state.Replica
	calls   *rpc.Table
	events  *rpc.Events
	lobby   *lobby.Lobby
	started bool
	onPhase []func(started bool)
	onWho   []func(lobby.Player)

	frames  link.Frames
	packets link.Packets
	rounds  [64]round
	in      inbox
	sendAt  time.Time // when input may be sent next
	sentAt  time.Time // when it was sent last
	news    bool      // state came that is not acknowledged yet
	buf     []byte
	held    held
	stats   Stats
	heard   time.Time
	timer   *time.Timer
}

// heartbeat is how often a client that has nothing to say says so.
const heartbeat = 100 * time.Millisecond

// round remembers which round of input a packet carried.
type round struct {
	seq uint64
	n   uint32
}

// Stats counts what a client has seen.
type Stats struct {
	Gone      uint64 // calls on objects that were gone, or did not come in time
	Unhandled uint64 // calls and events that nobody handles here
	Panics    uint64 // handlers that panicked
	Rejected  uint64 // packets of state that were overtaken; the server sends again what is missing
	Faults    uint64 // values that did not decode: the two sides' codecs do not agree
}

// Dial connects to a server at addr, which is the transport's business, and joins
// a room. It returns within ctx, whose end afterwards means nothing. The error says
// what to do and satisfies errors.Is for core.ErrRefused (with a
// *lobby.RefusedError: full, started, incompatible …), core.ErrTimeout,
// core.ErrUntrusted or core.ErrClosed.
func Dial(ctx context.Context, addr string, cfg Config) (*Client, error) {
	if cfg.Transport == nil {
		return nil, errors.New("parley: client: no Transport; tcp.New(tcp.Config{}) is one")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Room) > wire.MaxName {
		return nil, fmt.Errorf("parley: client: the name of the room has %d bytes; at most %d are allowed: %w", len(cfg.Room), wire.MaxName, core.ErrTooLarge)
	}
	if _, err := state.NewReplica(cfg.Schema, cfg.Codec, 0); err != nil {
		return nil, err
	}
	var info []byte
	if cfg.Info != nil {
		var err error
		if info, err = cfg.Codec.Append(nil, cfg.Info); err != nil {
			return nil, fmt.Errorf("parley: client: Info: %w", err)
		}
		if len(info) > lobby.MaxInfo {
			return nil, fmt.Errorf("parley: client: Info takes %d bytes; at most %d are allowed: %w", len(info), lobby.MaxInfo, core.ErrTooLarge)
		}
	}
	conn, err := cfg.Transport.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: cfg.Logger, conn: conn}
	if err := c.join(ctx, info); err != nil {
		if ctx.Err() != nil {
			go conn.Close(core.CodeNormal, "did not join") // the time is over for goodbyes too
		} else {
			_ = conn.Close(core.CodeNormal, "did not join")
		}
		return nil, fmt.Errorf("parley: join %s: %w", addr, err)
	}
	c.in.start(c)
	return c, nil
}

// join says hello and waits for the answer.
func (c *Client) join(ctx context.Context, info []byte) error {
	hello := wire.Hello{Version: wire.Version, Codec: c.cfg.Codec.Name(), Schema: c.cfg.Schema.Hash(), Room: c.cfg.Room, Info: info}
	if err := c.conn.Send(core.Reliable, hello.Append(c.frames.AppendHeader([]byte{byte(wire.KindHello)}))); err != nil {
		return err
	}
	for {
		msg, err := c.conn.Recv(ctx)
		if err != nil {
			var closed *core.CloseError
			if errors.As(err, &closed) && closed.Remote && errors.Is(err, core.ErrRefused) {
				return &lobby.RefusedError{Code: closed.Code, Reason: closed.Reason}
			}
			if errors.Is(err, context.DeadlineExceeded) {
				return core.Errorf(core.ErrTimeout, "the server does not answer: %w", err)
			}
			return err
		}
		r := wire.NewReader(msg)
		kind := wire.Kind(r.Byte())
		if !kind.IsReliable() {
			continue // state may overtake the welcome
		}
		c.frames.ReadHeader(&r)
		switch kind {
		case wire.KindRefuse:
			f := wire.ReadRefuse(&r)
			if r.Err() != nil {
				return r.Err()
			}
			if f.Schema != "" {
				if diff := state.Diff(f.Schema, c.cfg.Schema.Text()); diff != "" {
					f.Reason += "; they differ in:\n" + diff
				}
			}
			return &lobby.RefusedError{Code: core.Code(f.Code), Reason: f.Reason}
		case wire.KindWelcome:
			w := wire.ReadWelcome(&r)
			if r.Err() != nil {
				return r.Err()
			}
			return c.welcome(w)
		default:
			r.Fail("the server's first frame is no answer to hello")
			return r.Err()
		}
	}
}

func (c *Client) welcome(w wire.Welcome) error {
	c.id = state.PlayerID(w.Player)
	c.room, c.tick, c.update, c.started = w.Room, w.Tick, w.Update, w.Started
	replica, err := state.NewReplica(c.cfg.Schema, c.cfg.Codec, c.id)
	if err != nil {
		return err
	}
	c.replica = replica
	c.replica.World().SetMessenger(c)
	c.calls = rpc.NewTable(c.replica.World())
	c.events = rpc.NewEvents(c.cfg.Codec)
	c.lobby = lobby.New(w.Seats, true)
	c.heard = time.Now()
	c.sendAt = c.heard
	c.timer = time.NewTimer(time.Hour)
	c.log.Info("joined", "player", c.id, "room", c.room)
	return nil
}

// ID returns this player's id, the owner of its objects.
func (c *Client) ID() state.PlayerID { return c.id }

// Room returns the name of the room.
func (c *Client) Room() string { return c.room }

// World returns this client's copy of the shared objects.
func (c *Client) World() *state.World { return c.replica.World() }

// Lobby returns this client's copy of who is in the room. It is for reading, and
// filled by the first Update.
func (c *Client) Lobby() *lobby.Lobby { return c.lobby }

// Started reports whether the match has started.
func (c *Client) Started() bool { return c.started }

// OnPhase adds a hook that runs when the match starts, and when the room returns to
// the lobby.
func (c *Client) OnPhase(fn func(started bool)) { c.onPhase = append(c.onPhase, fn) }

// OnPlayer adds a hook that runs for each player who comes, goes or changes, as it
// is now: one who left is Disconnected. Those who are here when this client joins
// come with its first Update.
func (c *Client) OnPlayer(fn func(lobby.Player)) { c.onWho = append(c.onWho, fn) }

// Tick returns the server's tick of the newest state that is here.
func (c *Client) Tick() uint64 { return c.World().Tick() }

// TickDuration returns the time between two of the server's ticks.
func (c *Client) TickDuration() time.Duration { return c.tick }

// ServerTick returns an estimate of the server's tick now: that of the newest
// state, and the time since the server sent it.
func (c *Client) ServerTick() uint64 {
	if c.Tick() == 0 {
		return 0
	}
	return c.Tick() + uint64((time.Since(c.in.stateAt)+c.packets.RTT()/2)/c.tick)
}

// Link returns what the client knows of its link to the server.
func (c *Client) Link() LinkStats {
	s := LinkStats{Conn: c.conn.Stats()}
	c.packets.Fill(&s)
	return s
}

// Stats returns the client's counters.
func (c *Client) Stats() Stats { return c.stats }

// ClientCalls is where the handlers of calls are kept; see rpc.ClientCall.Handle.
func (c *Client) ClientCalls() *rpc.Table { return c.calls }

// Events is where the handlers of events are kept; see rpc.On.
func (c *Client) Events() *rpc.Events { return c.events }

// Update handles what came in, runs hooks and handlers, and sends this player's
// input if it is time. It never blocks. It returns why the session is over, a
// core.ErrClosed, or nil while it is not.
func (c *Client) Update() error {
	c.drain()
	now := time.Now()
	if c.in.err() == nil && now.Sub(c.heard) >= c.cfg.Timeout {
		c.end(&core.CloseError{Code: core.CodeTimeout, Reason: fmt.Sprintf("nothing heard from the server for %v", c.cfg.Timeout)})
	}
	c.held.expire(c, now)
	if err := c.in.err(); err != nil {
		return err
	}
	if !now.Before(c.sendAt) {
		if c.news || c.replica.HasInputs() || now.Sub(c.sentAt) >= heartbeat {
			c.sendInput(now)
		}
		c.sendAt = c.sendAt.Add(c.update)
		if c.sendAt.Before(now) {
			c.sendAt = now.Add(c.update)
		}
	}
	return nil
}

// Frames is a game loop over Update: it yields the time since the frame before, fps
// times a second, and handles what comes in between as it comes. It ends with the
// session; Err says why.
//
//	for range c.Frames(60) {
//		draw(c.World())
//	}
func (c *Client) Frames(fps int) iter.Seq[time.Duration] {
	gap := time.Second / time.Duration(max(1, fps))
	return func(yield func(time.Duration) bool) {
		last := time.Now()
		for next := last; ; next = next.Add(gap) {
			for {
				if c.Update() != nil {
					return
				}
				now := time.Now()
				if !now.Before(next) {
					break
				}
				c.timer.Reset(min(next.Sub(now), max(c.sendAt.Sub(now), time.Microsecond)))
				select {
				case <-c.in.notify:
				case <-c.timer.C:
				}
			}
			now := time.Now()
			if now.Sub(next) > gap {
				next = now // a slow frame is not made up for
			}
			if !yield(now.Sub(last)) {
				return
			}
			last = now
		}
	}
}

// Err returns why the session is over, a core.ErrClosed, or nil while it is not:
// errors.As finds the *core.CloseError with the code and the reason.
func (c *Client) Err() error { return c.in.err() }

// Close leaves the room and ends the connection. Calls and events that were made
// before arrive if the server takes them in time. It is idempotent.
func (c *Client) Close() error {
	c.in.fail(&core.CloseError{Code: core.CodeNormal, Reason: "left"})
	c.in.discard()
	err := c.conn.Close(core.CodeNormal, "left")
	c.in.wait()
	return err
}

// end gives the session up.
func (c *Client) end(err *core.CloseError) {
	c.log.Info("session over", "err", err)
	c.in.fail(err)
	c.in.discard()
	if d, ok := core.As[core.Dropper](c.conn); ok {
		d.Drop(err.Code, err.Reason)
	}
	go c.conn.Close(err.Code, err.Reason)
}
