package server

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/link"
	"github.com/parley-net/parley/core/internal/wire"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/state"
)

// session is one connection, from the hello to its end. Its reader goroutine fills
// the room's inbox; everything else happens on the room's goroutine.
type session struct {
	srv     *Server
	conn    core.Conn
	flusher core.Flusher // of the listener; may be nil
	room    *Room
	player  *Player

	frames  link.Frames
	packets link.Packets
	viewer  *state.Viewer
	onAck   func(uint64)
	onLost  func(uint64)
	sentAt  time.Time // of the last packet
	gotAt   time.Time // of the last packet of input that was not answered yet

	credit  credit        // for what waits in the inbox
	heard   atomic.Int64  // when the last message came, in nanoseconds since epoch
	claim   atomic.Int32  // who decides about a stranger: nobody yet, claimed or abandoned
	dropped atomic.Uint64 // messages above the rate
	ended   bool          // nothing more is sent, and what comes is not handled
}

// What a claim can be besides 0.
const (
	claimed   = 1 + iota // a room gives it a seat
	abandoned            // nobody waits for the answer to its hello
)

// epoch makes times small numbers of a monotonic clock.
var epoch = time.Now()

func newSession(s *Server, conn core.Conn, ln core.Listener) *session {
	n := &session{srv: s, conn: conn, credit: credit{freed: make(chan struct{}, 1)}}
	n.flusher, _ = core.As[core.Flusher](ln)
	n.heard.Store(int64(time.Since(epoch)))
	return n
}

// refuse tells a stranger why not, and closes.
func (n *session) refuse(why *lobby.RefusedError, schema *state.Schema) {
	f := wire.Refuse{Code: uint16(why.Code), Reason: why.Reason}
	if why.Code == core.CodeIncompatible {
		f.Schema = schema.Text()
	}
	b := n.frames.AppendHeader([]byte{byte(wire.KindRefuse)})
	_ = n.conn.Send(core.Reliable, f.Append(b)) // if it fails, the close says the same
	_ = n.conn.Close(why.Code, why.Reason)
}

// read takes messages until the connection ends, and pushes them to the room. A
// player whose messages the room has not handled yet waits; nobody else does.
func (n *session) read() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := context.AfterFunc(n.room.ctx, cancel) // when the room is gone, nobody takes messages
	defer stop()
	limit := rate{perSecond: float64(n.srv.cfg.MessageRate), at: time.Since(epoch)}
	const unit = 1 << 10 // bytes that count as a message
	limit.tokens = limit.burst()
	for {
		msg, err := n.conn.Recv(ctx)
		now := time.Since(epoch)
		if err == nil && !limit.take(now, 1+float64(len(msg)/unit)) {
			n.dropped.Add(1)
			if len(msg) > 0 && !wire.Kind(msg[0]).IsReliable() {
				continue
			}
			err = &core.CloseError{Code: core.CodeFlood, Reason: "more messages than allowed"}
		}
		if err != nil {
			n.room.in.push(item{n: n, err: err})
			return
		}
		n.heard.Store(int64(now))
		if err := n.credit.take(ctx, len(msg)); err != nil {
			n.room.in.push(item{n: n, err: err})
			return
		}
		n.room.in.push(item{n: n, msg: append(n.room.in.buffer(), msg...)})
	}
}

// rate is a token bucket.
type rate struct {
	perSecond float64
	tokens    float64
	at        time.Duration
}

func (r *rate) burst() float64 { return 2 * r.perSecond }

// take reports whether so many tokens are there, and takes them. What costs more
// than there can be takes all there can be.
func (r *rate) take(now time.Duration, cost float64) bool {
	r.tokens = min(r.burst(), r.tokens+r.perSecond*(now-r.at).Seconds())
	r.at = now
	if r.tokens < min(cost, r.burst()) {
		return false
	}
	r.tokens -= cost
	return true
}

// silence returns for how long nothing came, while the room was there to hear it.
func (n *session) silence(now, awake time.Time) time.Duration {
	return min(now.Sub(epoch)-time.Duration(n.heard.Load()), now.Sub(awake))
}

// frame begins a Reliable frame in the room's buffer.
func (n *session) frame(k wire.Kind) []byte {
	return n.frames.AppendHeader(append(n.room.buf[:0], byte(k)))
}

// sendFrame sends what frame began. A player who does not take frames in time
// loses the connection, since nothing Reliable may be missing from a session; the
// room sees to it when it handles what came in, as this may be called by a hook.
func (n *session) sendFrame(b []byte) error {
	n.room.buf = b
	err := n.conn.Send(core.Reliable, b)
	if err == nil {
		return nil
	}
	n.frames.Unsent()
	if errors.Is(err, core.ErrBackpressure) && !n.ended {
		n.close(core.CodeSlow, tooSlow)
		n.room.slow = append(n.room.slow, n)
	}
	return err
}

const tooSlow = "does not keep up with its messages"

// sendState sends what the viewer needs of the state frozen last, and a packet
// without any if one is due.
func (n *session) sendState(now time.Time) {
	r := n.room
	cfg := &n.srv.cfg
	wait := n.packets.RTT()*5/4 + 2*time.Second/time.Duration(cfg.UpdateRate)
	n.viewer.SetResend(uint32(wait/r.step) + 1)
	n.viewer.Begin(cfg.Bandwidth / cfg.UpdateRate)
	size := min(n.conn.MaxSize(core.Unreliable), maxPacket)
	for first := true; ; first = false {
		seq := n.packets.Next()
		b := n.packets.AppendHeader(append(r.buf[:0], byte(wire.KindState)), now)
		b = wire.AppendUvarint(b, r.world.Tick())
		bare := len(b)
		b = n.viewer.AppendPacket(b, size, seq)
		r.buf = b
		due := first && (now.Sub(n.sentAt) >= heartbeat || !n.gotAt.IsZero())
		if len(b) == bare && !due {
			n.packets.Unsent()
			break
		}
		// A connection that has ended is the reader's to report.
		_ = n.conn.Send(core.Unreliable, b)
		n.sentAt, n.gotAt = now, time.Time{}
		if len(b) == bare {
			break
		}
	}
	_ = n.viewer.AppendValues(func(msg []byte) error {
		return n.sendFrame(append(n.frame(wire.KindValue), msg...))
	})
}

// close ends the connection in the background, so that what was sent can leave.
func (n *session) close(code core.Code, reason string) {
	if n.ended {
		return
	}
	n.ended = true
	n.srv.work.Go(func() { _ = n.conn.Close(code, reason) })
}
