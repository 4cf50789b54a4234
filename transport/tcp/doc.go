// Package tcp is the adapter for TCP: messages with a length, under TLS 1.3.
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/parley-net/parley/core"
//		"github.com/parley-net/parley/transport/identity"
//		"github.com/parley-net/parley/transport/tcp"
//	)
//
//	func main() {
//		ctx := context.Background()
//		t := tcp.New(tcp.Config{})
//		l, err := t.Listen(ctx, "127.0.0.1:0")
//		if err != nil {
//			log.Fatal(err)
//		}
//		addr := identity.Join(l.Addr().String(), l.(core.Pinner).Pin())
//
//		player, err := t.Dial(ctx, addr)
//		if err != nil {
//			log.Fatal(err)
//		}
//		player.Send(core.Reliable, []byte("hello"))
//
//		conn, err := l.Accept(ctx)
//		if err != nil {
//			log.Fatal(err)
//		}
//		msg, err := conn.Recv(ctx)
//		fmt.Printf("%s %v\n", msg, err)
//	}
//
// TCP suits turn-based games, tools, and networks that let nothing else through. For
// games of skill prefer a datagram adapter: here a lost packet holds back everything
// behind it for a round trip or more.
//
// # Deliveries
//
// Reliable messages go through a queue of 1 MiB; when it is full, Send returns
// core.ErrBackpressure. Unreliable ones are sent reliably too, once they leave, but
// wait apart: of at most 64 messages and 64 KiB the oldest are dropped for new ones.
// What waits is written in batches of at most 16 KiB, in which neither delivery
// starves the other, so either may overtake the other. A Reliable message that is
// longer than a batch is not interrupted, and holds back everything for as long as its
// up to 256 KiB take.
//
// To keep what waits where it can still be dropped, the kernel is told to take no
// more than 16 KiB that it cannot send yet (TCP_NOTSENT_LOWAT, on Linux) or gets a
// send buffer of 64 KiB (elsewhere). Out of reach remains what is under way:
// bytes in the network, bytes sent and not yet acknowledged, and bytes in the
// receive buffer of a peer that does not call Recv, 64 KiB or more by the system's
// choice, and about 64 KiB in its process. A peer that stalls and goes on
// finds these, in order, before it finds what is new.
//
// # Wire format
//
// A connection is TLS 1.3 with ALPN "parley/1"; see package identity for how the
// client knows the server. Inside, both directions carry frames: four bytes,
// big-endian, whose two top bits are the kind and whose other 30 bits are the length of
// the payload, and the payload.
//
//	kind 0  message    the payload, 0 to 262,144 bytes, of either delivery
//	kind 1  close      code (2 bytes, big-endian), reason (UTF-8, at most 512 bytes)
//	kind 2  keepalive  empty
//	kind 3  not used
//
// The server's first frame is a keepalive, the welcome, which says that the
// connection stands in the queue of Accept, or a close. A peer that has written
// nothing for a quarter of its Config.IdleTimeout, at most a second, writes a
// keepalive. Anything else than these frames ends the connection with
// core.CodeProtocol. After its close frame a peer writes nothing, ends its TLS stream
// and its half of the TCP connection, and throws away what it reads until the other
// peer has done the same or the linger is over.
//
// # Ends
//
// A stream that ends without a close frame (the process died, the network reset the
// connection, or the peer called Drop) is a *core.CloseError with Remote set,
// core.CodeLost, and the cause in Err. Silence is core.CodeTimeout, bytes that
// break the format core.CodeProtocol, and a peer that takes nothing for
// Config.WriteTimeout core.CodeSlow. Connections notice all that by themselves; but
// one whose inbox is full because nobody calls Recv does not read, and so does not
// notice.
//
// TCP doubles its pauses while nothing gets through, and may sleep long after a
// blackout is over. On Linux 6.15 and later they are kept to a second, so that
// blackouts shorter than Config.IdleTimeout are survived; elsewhere one of about half
// that time can be too long.
//
// # Bounds
//
// A connection costs two goroutines and about 30 KiB, most of it crypto/tls's. Under
// load it holds 1 MiB to send and less than 1 MiB received at most: memory grows with
// the bytes that came, never with a length that was announced. A
// Listener holds at most 512 handshakes, each for Config.HandshakeTimeout, and gives
// up the oldest for a new one; and 128 connections that wait for Accept, beyond which
// clients wait and are then refused with core.CodeFull.
package tcp
