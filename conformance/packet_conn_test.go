package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// Flags of a part of a Reliable message.
const (
	partLast = 1 << iota
	partBye  // the end of the connection: code and reason
)

const (
	packetPart   = 1100 // bytes of a message in a packet
	packetWindow = 128  // packets that are not acknowledged
	packetQueue  = 1 << 20
	packetRepeat = 15 * time.Millisecond
)

type packetConn struct {
	t    *packets
	pc   net.PacketConn
	id   uint64
	free func() // gives the socket back
	more chan struct{}
	done chan struct{} // closed when it may be forgotten

	mu     sync.Mutex
	to     net.Addr
	moves  int    // of the dialer
	pings  uint32 // sent
	pinged uint32 // received
	err    *core.CloseError
	over   bool
	heard  time.Time
	parts  [][]byte // those with the numbers acked…; the first packetWindow of them were sent
	acked  uint32   // all before this are
	sentAt []time.Time
	tries  int
	queued int
	next   uint32 // to receive
	early  map[uint32][]byte
	whole  []byte
	inbox  [][]byte
	waits  int    // bytes in inbox
	loose  uint32 // the highest number of an Unreliable message received
	seen   map[uint32]bool

	looseSent uint32
	hoard     [][]byte
}

func newPacketConn(t *packets, pc net.PacketConn, to net.Addr, id uint64) *packetConn {
	c := &packetConn{t: t, pc: pc, to: to, id: id, more: make(chan struct{}, 1), done: make(chan struct{}), heard: time.Now(),
		early: make(map[uint32][]byte), seen: make(map[uint32]bool)}
	go c.tick()
	return c
}

func (c *packetConn) write(kind byte, body []byte) { c.pc.WriteTo(c.t.packet(kind, c.id, body), c.to) }

// read is for the dialer, who has a socket of its own.
func (c *packetConn) read() {
	buf := make([]byte, 2048)
	for {
		n, _, err := c.pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		switch kind, id, body, ok := c.t.unpack(buf[:n]); {
		case ok && id == c.id && kind == kindProbe:
			c.mu.Lock()
			c.write(kindProved, body)
			c.mu.Unlock()
		case ok && id == c.id:
			c.handle(kind, body)
		case !ok && c.t.bug == "ends on garbage":
			c.end(&core.CloseError{Code: core.CodeProtocol})
		}
	}
}

func (c *packetConn) welcome() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write(kindWelcome, nil)
}

func (c *packetConn) tick() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pinged := time.Now()
	for {
		select {
		case <-c.done:
			return
		case now := <-timer.C:
			c.mu.Lock()
			c.watch(now)
			c.repeat(now)
			timer.Reset(5 * time.Millisecond)
			if len(c.parts)+len(c.hoard) == 0 {
				timer.Reset(25 * time.Millisecond)
			}
			if now.Sub(pinged) > c.t.timeout/5 {
				pinged = now
				c.pings++
				c.write(kindPing, append(binary.BigEndian.AppendUint32(nil, c.pings), make([]byte, 20)...))
			}
			c.mu.Unlock()
		}
	}
}

// watch ends the connection when the peer fell silent.
func (c *packetConn) watch(now time.Time) {
	timeout := c.t.timeout
	switch c.t.bug {
	case "hasty":
		timeout /= 4
	case "hears itself":
		return
	case "tired":
		if c.pings > 5000 {
			timeout = 0
		}
	}
	if now.Sub(c.heard) > timeout {
		c.endLocked(&core.CloseError{Code: core.CodeTimeout})
	}
}

// repeat sends again what was not acknowledged.
func (c *packetConn) repeat(now time.Time) {
	for i := range c.sentAt {
		if now.Sub(c.sentAt[i]) > packetRepeat {
			if c.tries++; c.t.bug == "impatient" && c.tries > len(c.sentAt) {
				c.endLocked(&core.CloseError{Code: core.CodeTimeout})
			}
			if c.t.bug == "bye once" && c.parts[i][4]&partBye != 0 {
				continue
			}
			c.sentAt[i] = now
			c.write(kindData, c.parts[i])
		}
	}
	if len(c.hoard) > 0 && now.Nanosecond()/5e6%3 == 0 {
		c.write(kindLoose, c.hoard[0])
		c.hoard = c.hoard[1:]
	}
}

func (c *packetConn) handle(kind byte, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if kind > kindPing || kind < kindData || (kind != kindPing && len(body) < 4) {
		return
	}
	c.heard = time.Now()
	if c.t.bug == "comes back" && c.err != nil && c.err.Code == core.CodeTimeout {
		c.err = nil
	}
	switch kind {
	case kindPing:
		if len(body) > 4 {
			c.pinged = max(c.pinged, binary.BigEndian.Uint32(body))
		}
	case kindData:
		if len(body) >= 5 {
			c.data(binary.BigEndian.Uint32(body), body[4:])
		}
	case kindAck:
		if n := binary.BigEndian.Uint32(body) - c.acked; n > 0 && int(n) <= len(c.sentAt) {
			for _, p := range c.parts[:n] {
				c.queued -= len(p)
			}
			c.acked, c.parts, c.sentAt, c.tries = c.acked+n, c.parts[n:], c.sentAt[n:], 0
			c.push()
			c.wake()
		}
	case kindLoose:
		seq := binary.BigEndian.Uint32(body)
		if c.t.bug != "no window" && (c.seen[seq] || int(c.loose)-int(seq) > 1<<12) {
			return
		}
		c.seen[seq], c.loose = true, max(c.loose, seq)
		delete(c.seen, c.loose-1<<12-1)
		if c.err == nil && c.waits < packetQueue {
			c.deliver(body[4:])
		}
	}
}

// data takes a part of a Reliable message.
func (c *packetConn) data(seq uint32, part []byte) {
	ahead := seq - c.next
	if c.t.bug == "no numbers" {
		ahead, c.next = 0, seq
	}
	if ahead < packetWindow && c.waits < packetQueue && c.early[seq] == nil {
		c.early[seq] = append([]byte(nil), part...)
	}
	for p := c.early[c.next]; p != nil; p = c.early[c.next] {
		delete(c.early, c.next)
		c.next++
		switch flags := p[0]; {
		case flags&partBye != 0 && len(p) >= 3:
			c.endLocked(&core.CloseError{Code: core.Code(binary.BigEndian.Uint16(p[1:])), Reason: string(p[3:]), Remote: true})
		default:
			if c.whole = append(c.whole, p[1:]...); flags&partLast != 0 {
				if c.err == nil {
					c.deliver(c.whole)
				}
				c.whole = nil
			}
		}
	}
	c.write(kindAck, binary.BigEndian.AppendUint32(nil, c.next))
}

func (c *packetConn) deliver(msg []byte) {
	c.inbox = append(c.inbox, append(make([]byte, 0, len(msg)), msg...))
	c.waits += len(msg) + 64
	c.wake()
}

func (c *packetConn) wake() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// push sends what the window lets pass.
func (c *packetConn) push() {
	for i := len(c.sentAt); i < min(len(c.parts), packetWindow); i++ {
		c.sentAt = append(c.sentAt, time.Now())
		c.write(kindData, c.parts[i])
	}
}

func (c *packetConn) add(flags byte, part []byte) {
	p := binary.BigEndian.AppendUint32(nil, c.acked+uint32(len(c.parts)))
	c.parts = append(c.parts, append(append(p, flags), part...))
	c.queued += len(c.parts[len(c.parts)-1])
}

func (c *packetConn) Send(d core.Delivery, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch limit := c.MaxSize(d); {
	case c.err != nil:
		return c.err
	case len(msg) > limit:
		return &core.TooLargeError{Size: len(msg), Max: limit, Delivery: d}
	case d == core.Unreliable:
		p := append(binary.BigEndian.AppendUint32(nil, c.looseSent), msg...)
		c.looseSent++
		if c.t.bug == "counts in 16 bits" {
			c.looseSent &= 1<<16 - 1
		}
		switch {
		case c.t.bug == "hoards":
			c.hoard = append(c.hoard, p)
		case c.t.bug != "careless" || c.looseSent%3 != 0:
			c.write(kindLoose, p)
		}
		return nil
	case c.queued+len(msg) > packetQueue:
		return core.ErrBackpressure
	}
	for rest := msg; ; {
		n := min(len(rest), c.part())
		if rest = rest[n:]; len(rest) == 0 {
			c.add(partLast, msg[len(msg)-n:])
			break
		}
		c.add(0, msg[len(msg)-len(rest)-n:len(msg)-len(rest)])
	}
	c.push()
	return nil
}

func (c *packetConn) part() int {
	if c.t.bug == "large packets" {
		return 1400
	}
	return packetPart
}

func (c *packetConn) Recv(ctx context.Context) ([]byte, error) {
	for {
		c.mu.Lock()
		if len(c.inbox) > 0 {
			msg := c.inbox[0]
			c.inbox, c.waits = c.inbox[1:], c.waits-len(c.inbox[0])-64
			c.mu.Unlock()
			return msg, nil
		}
		err := c.err
		c.mu.Unlock()
		if err != nil {
			c.wake() // whoever waits for the same
			return nil, err
		}
		select {
		case <-c.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *packetConn) MaxSize(d core.Delivery) int {
	if d == core.Unreliable {
		return core.MinUnreliableSize
	}
	return core.MinReliableSize
}

func (c *packetConn) end(err *core.CloseError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(err)
}

func (c *packetConn) endLocked(err *core.CloseError) {
	if c.err == nil {
		c.err = err
		c.wake()
	}
}

func (c *packetConn) Close(code core.Code, reason string) error {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return nil
	}
	c.over = true
	if c.err == nil {
		c.endLocked(&core.CloseError{Code: code, Reason: core.CutReason(reason)})
		c.add(partBye, append(binary.BigEndian.AppendUint16(nil, uint16(code)), core.CutReason(reason)...))
		c.push()
		for start := time.Now(); len(c.parts) > 0 && time.Since(start) < core.DefaultLinger && c.t.bug != "bye once"; {
			c.mu.Unlock()
			time.Sleep(time.Millisecond)
			c.mu.Lock()
		}
	}
	c.parts, c.sentAt, c.queued = nil, nil, 0
	c.mu.Unlock()
	close(c.done)
	c.free()
	return nil
}

func (c *packetConn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.to
}

func (c *packetConn) Stats() core.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := core.Stats{Queued: c.queued}
	if c.t.bug == "guesses" {
		s.RTT = time.Millisecond
	}
	return s
}
