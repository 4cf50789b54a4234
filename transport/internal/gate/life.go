package gate

import (
	"crypto/subtle"
	"time"

	"github.com/parley-net/parley/core"
)

// quiet reports whether the peer has said nothing for so long that it should have.
// silent is for how long.
func (l *Link) quiet(now time.Duration) (silent time.Duration, quiet bool) {
	silent = now - max(time.Duration(l.heard.Load()), 0)
	return silent, silent >= 2*l.beat
}

// disowned takes a reset: the server says that it does not know the connection. It is
// believed of a server only that has fallen silent, since one that was set up with the
// same identity can be made to say it, too.
func (l *Link) disowned(token []byte) {
	if _, quiet := l.quiet(l.now()); quiet && subtle.ConstantTimeCompare(token, l.reset[:]) == 1 {
		l.lost(&core.CloseError{Code: core.CodeLost, Reason: "the server does not know this connection: it was restarted, or gave it up"}, false)
	}
}

// lost ends the Link, if it lives, without the peer's word.
func (l *Link) lost(err *core.CloseError, tell bool) {
	l.mu.Lock()
	if l.state != open {
		l.mu.Unlock()
		return
	}
	l.state = over
	if tell {
		l.control(l.addr, opClose, goodbye(err.Code, err.Reason), 0)
	}
	l.mu.Unlock()
	l.handler.Ended(err)
}

func goodbye(code core.Code, reason string) []byte {
	return append(order.AppendUint16(nil, uint16(code)), core.CutReason(reason)...)
}

// Close ends the Link: the peer is told until it has heard, for as long as patience.
// It does not wait for that. After Ended it only gives back what the Link holds.
func (l *Link) Close(code core.Code, reason string, patience time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.state {
	case over:
		l.haunt()
	case open:
		now := l.now()
		l.state, l.bye, l.until = closing, goodbye(code, reason), now+patience
		l.ask, l.asked = l.retryAfter(2*l.rtt), now
		l.control(l.addr, opClose, l.bye, 0)
		l.rearm(now)
	}
}

// Drop ends the Link at once. The peer is told, but only once.
func (l *Link) Drop(code core.Code, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.state {
	case open:
		l.control(l.addr, opClose, goodbye(code, reason), 0)
		l.finish()
	case over:
		l.haunt()
	case closing, ghost:
		l.finish()
	}
}

// finish forgets the Link. l.mu is held.
func (l *Link) finish() {
	if l.state != ghost {
		close(l.done)
	}
	l.state = gone
	if l.timer != nil {
		l.timer.Stop()
	}
	l.release(l, true)
}

// haunt is finish, but the Link goes on answering the peer's goodbyes for a while: the
// peer waits for one. A client has a socket of its own, which cannot wait. l.mu is held.
func (l *Link) haunt() {
	if !l.server {
		l.finish()
		return
	}
	l.state, l.until = ghost, l.now()+ghostLife
	close(l.done)
	l.rearm(l.now())
	l.release(l, false)
}

// tick does what is due.
func (l *Link) tick() {
	l.mu.Lock()
	now := l.now()
	late := l.at > 0 && now-l.at > l.beat
	l.at = 0
	switch l.state {
	case open:
		if late {
			// The process was not running. What came meanwhile has not been read yet.
			l.spared = now + l.beat
		}
		if err := l.verdict(now); err != nil {
			l.mu.Unlock()
			l.lost(err, true)
			return
		}
		l.speak(now)
		l.challenge(now)
	case closing:
		if now >= l.until {
			l.finish()
		} else if now-l.asked >= l.ask {
			l.asked, l.ask = now, l.retryAfter(2*l.ask)
			l.control(l.addr, opClose, l.bye, 0)
		}
	case ghost:
		if now >= l.until {
			l.finish()
		}
	}
	l.rearm(now)
	l.mu.Unlock()
}

// verdict says why the Link cannot go on. l.mu is held.
func (l *Link) verdict(now time.Duration) *core.CloseError {
	switch silent, _ := l.quiet(now); {
	case silent >= l.idle && now >= l.spared:
		return &core.CloseError{Code: core.CodeTimeout, Reason: "no word for " + l.idle.String()}
	case !l.out.ready(now, lastWords):
		return &core.CloseError{Code: core.CodeInternal, Reason: "the connection has used up its packet numbers: dial again"}
	}
	return nil
}

// speak says what there is to say at this time. l.mu is held.
func (l *Link) speak(now time.Duration) {
	_, quiet := l.quiet(now)
	switch {
	case l.heard.Load() < 0 && now-l.asked >= l.ask: // the handshake may not be confirmed yet
		l.asked, l.ask = now, l.retryAfter(2*l.ask)
		l.control(l.addr, opPing, nil, keepaliveMin)
	case l.heard.Load() >= 0 && quiet && now-l.asked >= l.beat/2: // long enough for a server that was restarted to answer
		l.asked = now
		l.control(l.addr, opPing, nil, keepaliveMin)
	case now-l.sent >= l.beat:
		l.control(l.addr, opBeat, nil, 0)
	}
}

// rearm sets the timer to what is due next. l.mu is held.
func (l *Link) rearm(now time.Duration) {
	if l.timer == nil {
		return
	}
	var next time.Duration
	switch l.state {
	case open:
		heard := time.Duration(l.heard.Load())
		ask := l.asked + l.ask
		if heard >= 0 {
			ask = max(heard+2*l.beat, l.asked+l.beat/2)
		}
		next = min(max(max(heard, 0)+l.idle, l.spared), l.sent+l.beat, ask, l.nextChallenge())
	case closing:
		next = min(l.until, l.asked+l.ask)
	case ghost:
		next = l.until
	default:
		l.timer.Stop()
		return
	}
	next = max(next, now, 1)
	if l.at == 0 || next < l.at {
		l.at = next
		l.timer.Reset(next - now)
	}
}
