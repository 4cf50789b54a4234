package tcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

func TestMessagesArriveWhole(t *testing.T) {
	a, b := pair(t, Config{})
	for _, dir := range []struct{ from, to *conn }{{a, b}, {b, a}} {
		for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
			for _, size := range []int{0, 1, 2, 1100, MaxUnreliable, batchSize - headerSize, batchSize, 100_000, MaxReliable} {
				if size > dir.from.MaxSize(d) {
					continue
				}
				msg := make([]byte, size)
				for i := range msg {
					msg[i] = byte(rand.Uint32())
				}
				send(t, dir.from, d, string(msg))
				if got := recv(t, dir.to); got != string(msg) {
					t.Fatalf("%s message of %d bytes arrived as %d other bytes", d, size, len(got))
				}
			}
		}
	}
}

// Reads and writes of one byte at a time are legal, and change nothing.
func TestByteByByte(t *testing.T) {
	a, b := pair(t, Config{DialContext: wrapDial(byBytes)})
	for _, size := range []int{0, 1, 3, 4, 5, 1000, 20_000} {
		msg := bytes.Repeat([]byte{byte(size)}, size)
		for _, dir := range []struct{ from, to *conn }{{a, b}, {b, a}} {
			send(t, dir.from, core.Reliable, string(msg))
			if got := recv(t, dir.to); got != string(msg) {
				t.Fatalf("%d bytes arrived as %d other bytes", size, len(got))
			}
		}
	}
	a.Close(core.CodeKicked, "bye")
	if ce := closed(t, b); ce.Code != core.CodeKicked || !ce.Remote {
		t.Errorf("got %v", ce)
	}
}

// Order holds among Reliable messages whatever else is under way.
func TestReliableOrder(t *testing.T) {
	a, b := pair(t, Config{})
	const count = 5000
	go func() {
		for i := range uint32(count) {
			msg := make([]byte, 4+i%3000)
			binary.BigEndian.PutUint32(msg, i)
			for errors.Is(a.Send(core.Reliable, msg), core.ErrBackpressure) {
				time.Sleep(time.Millisecond)
			}
			a.Send(core.Unreliable, []byte("x"))
		}
	}()
	for want := uint32(0); want < count; {
		msg := recv(t, b)
		if msg == "x" {
			continue
		}
		if got := binary.BigEndian.Uint32([]byte(msg)); got != want || len(msg) != int(4+want%3000) {
			t.Fatalf("message %d of %d bytes came, want %d", got, len(msg), want)
		}
		want++
	}
}

func TestBytesBelongToTheirOwners(t *testing.T) {
	a, b := pair(t, Config{})
	msg := []byte("first")
	for _, d := range []core.Delivery{core.Reliable, core.Reliable, core.Reliable} {
		if err := a.Send(d, msg); err != nil {
			t.Fatal(err)
		}
		copy(msg, "xxxxx")
		copy(msg, "first")
	}
	for range 3 {
		got, err := b.Recv(testContext(t))
		if err != nil || string(got) != "first" {
			t.Fatalf("got %q, %v", got, err)
		}
		copy(got, "-----")
		_ = append(got, "over the end"...) // must not reach the next message
	}
}

func TestTooLarge(t *testing.T) {
	a, b := pair(t, Config{})
	for d, size := range map[core.Delivery]int{core.Unreliable: MaxUnreliable, core.Reliable: MaxReliable} {
		var tl *core.TooLargeError
		if err := a.Send(d, make([]byte, size+1)); !errors.As(err, &tl) || *tl != (core.TooLargeError{Size: size + 1, Max: size, Delivery: d}) {
			t.Errorf("%s: %v; want a *core.TooLargeError", d, err)
		}
		if a.MaxSize(d) != size {
			t.Errorf("MaxSize(%s) = %d", d, a.MaxSize(d))
		}
	}
	if err := a.Send(7, nil); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("a delivery that does not exist: %v; want core.ErrUnsupported", err)
	}
	send(t, a, core.Reliable, "next")
	if got := recv(t, b); got != "next" {
		t.Errorf("%q arrived of what was refused", got)
	}
}

// What was refused must not arrive, and everything else must, once the peer reads.
func TestBackpressure(t *testing.T) {
	a, b := pair(t, Config{})
	msg := make([]byte, 10_000)
	taken := 0
	for {
		binary.BigEndian.PutUint32(msg, uint32(taken))
		err := a.Send(core.Reliable, msg)
		if errors.Is(err, core.ErrBackpressure) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		taken++
	}
	if q := a.Stats().Queued; q > queueSize+batchSize || q < queueSize/2 {
		t.Errorf("%d bytes are queued, want about %d", q, queueSize)
	}
	for i := range taken {
		if got := binary.BigEndian.Uint32([]byte(recv(t, b))); got != uint32(i) {
			t.Fatalf("message %d came, want %d", got, i)
		}
	}
	send(t, a, core.Reliable, "next")
	if got := recv(t, b); got != "next" {
		t.Errorf("%d bytes arrived that were refused", len(got))
	}
}

// Of Unreliable messages that cannot leave, the newest are kept.
func TestUnreliableDropsTheOldest(t *testing.T) {
	for _, size := range []int{100, 4000} { // bound by the count, by the bytes
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			a, b, g := gatedPair(t, Config{})
			g.hold()
			send(t, a, core.Unreliable, "before")
			<-g.held
			const count = 1000
			msg := make([]byte, size)
			for i := range count {
				binary.BigEndian.PutUint32(msg, uint32(i))
				if err := a.Send(core.Unreliable, msg); err != nil {
					t.Fatal(err)
				}
			}
			kept := min(unreliableCount, unreliableSize/(size+headerSize))
			if s := a.Stats(); s.Dropped != uint64(count-kept) || s.Queued != kept*size+len("before") {
				t.Errorf("%d dropped, %d bytes queued; want %d dropped", s.Dropped, s.Queued, count-kept)
			}
			g.release()
			recv(t, b)
			for i := count - kept; i < count; i++ {
				if got := binary.BigEndian.Uint32([]byte(recv(t, b))); got != uint32(i) {
					t.Fatalf("message %d came, want %d", got, i)
				}
			}
		})
	}
}

// Neither delivery waits for the other's queue to empty.
func TestDeliveriesShareTheWriter(t *testing.T) {
	a, b, g := gatedPair(t, Config{})
	g.hold()
	send(t, a, core.Unreliable, "before")
	<-g.held
	big := string(make([]byte, 1000))
	for range 64 {
		send(t, a, core.Unreliable, big)
	}
	for range 500 {
		send(t, a, core.Reliable, big+"r")
	}
	g.release()
	recv(t, b)
	var reliable, unreliable int
	for reliable < 500 && unreliable < 64 {
		if len(recv(t, b)) == 1000 {
			unreliable++
		} else {
			reliable++
		}
	}
	if reliable == 0 || unreliable == 0 || reliable == 500 {
		t.Errorf("%d Reliable and %d Unreliable messages came first", reliable, unreliable)
	}
}

func TestRecvHeedsItsContext(t *testing.T) {
	a, b := pair(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error, 1)
	go func() {
		_, err := b.Recv(ctx)
		got <- err
	}()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Fatalf("Recv: %v; want context.Canceled", err)
	}
	if _, err := b.Recv(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv with an ended context: %v; want context.Canceled", err)
	}
	// Whatever arrives while contexts end is there afterwards.
	const count = 2000
	go func() {
		for i := range uint32(count) {
			a.Send(core.Reliable, binary.BigEndian.AppendUint32(nil, i))
		}
	}()
	for i := uint32(0); i < count; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(50))*time.Microsecond)
		msg, err := b.Recv(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		if err != nil || binary.BigEndian.Uint32(msg) != i {
			t.Fatalf("got %v, %v; want message %d", msg, err, i)
		}
		i++
	}
}

// An application that does not take its messages makes the peer wait, and does not
// make this process hold more and more.
func TestInboxIsBounded(t *testing.T) {
	a, b := pair(t, Config{})
	msg := make([]byte, 1000)
	sent := 0
	for {
		err := a.Send(core.Reliable, msg)
		if errors.Is(err, core.ErrBackpressure) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		sent++
	}
	b.mu.Lock()
	held := b.in.bytes
	b.mu.Unlock()
	if held > inboxSize+2*largeBlock {
		t.Errorf("the inbox holds %d bytes", held)
	}
	for range sent {
		recv(t, b)
	}
}

// While a peer does not read, little is out of reach of dropping.
func TestStalledPeerGetsLittleOldState(t *testing.T) {
	a, b := pair(t, Config{})
	msg := make([]byte, 1000)
	var last core.Stats
	for quiet := 0; quiet < 20; {
		for range unreliableCount {
			a.Send(core.Unreliable, msg)
		}
		time.Sleep(2 * time.Millisecond) // the writer writes what the kernel takes
		s := a.Stats()
		if s.MessagesSent == last.MessagesSent {
			quiet++
		} else {
			quiet = 0
		}
		last = s
	}
	t.Logf("%d bytes are out of reach", last.BytesSent)
	if last.BytesSent > 1<<20 {
		t.Errorf("%d bytes left for a peer that does not read", last.BytesSent)
	}
	a.Send(core.Reliable, []byte("new"))
	old := 0
	for len(recv(t, b)) == len(msg) {
		old++
	}
	if old > int(last.MessagesSent)+unreliableCount {
		t.Errorf("%d old messages came first", old)
	}
}

func TestStats(t *testing.T) {
	a, b := pair(t, Config{})
	send(t, a, core.Reliable, "four")
	send(t, a, core.Unreliable, "sixsix")
	recv(t, b)
	recv(t, b)
	s := a.Stats()
	if s.MessagesSent != 2 || s.BytesSent != 10 || s.Dropped != 0 {
		t.Errorf("the sender counts %+v", s)
	}
	r := b.Stats()
	if r.MessagesRecv != 2 || r.BytesRecv != 10 || r.MessagesSent != 0 || r.Queued != 0 {
		t.Errorf("the receiver counts %+v", r)
	}
	a.Close(core.CodeNormal, "")
	if s := a.Stats(); s.Queued != 0 || s.MessagesSent != 2 {
		t.Errorf("after Close the sender counts %+v", s)
	}
	if a.RemoteAddr().String() == "" || a.PeerIdentity() == "" || b.PeerIdentity() != "" {
		t.Errorf("addr %v, identities %q and %q", a.RemoteAddr(), a.PeerIdentity(), b.PeerIdentity())
	}
}
