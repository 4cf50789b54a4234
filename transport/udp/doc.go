// Package udp is the adapter for raw UDP: sealed packets that can face the internet,
// with messages that are sent again until they arrive, and messages that are not.
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
//		"github.com/parley-net/parley/transport/udp"
//	)
//
//	func main() {
//		ctx := context.Background()
//		t := udp.New(udp.Config{})
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
//		player.Send(core.Unreliable, []byte("here I am"))
//
//		conn, err := l.Accept(ctx)
//		if err != nil {
//			log.Fatal(err)
//		}
//		msg, err := conn.Recv(ctx)
//		fmt.Printf("%s %v\n", msg, err)
//	}
//
// It suits games of skill: what is lost holds back nothing but itself. Everything is
// encrypted and authenticated, a server needs no certificate (see package identity), and a
// player whose address changes, as phones' do, stays connected.
//
// # Deliveries
//
// Reliable messages are one stream of bytes, cut into packets, acknowledged by packet
// and sent again when lost, over a queue of 1 MiB; when it is full, Send returns
// core.ErrBackpressure. Unreliable messages travel whole in one packet each, at once if
// congestion control lets them. Those that must wait do so for 50 ms at most, and of more
// than 64 of them, or 64 KiB, the oldest are dropped: a newer one says it better.
//
// MaxSize(core.Unreliable) is what a packet of 1,200 bytes takes, and more on
// paths that have proven to carry more, up to 1,452 (on Linux, where packets can be
// kept from being cut in pieces). MaxSize(core.Reliable) is 256 KiB.
//
// Send leaves in the caller's goroutine, by one system call, which waits for nothing but
// room in the socket's own buffer.
//
// # Security
//
// Who has not proven its address by repeating a cookie gets answers of a tenth of what
// it sends, and nothing is kept of it. The handshake is Noise, NKpsk2: the client knows
// the server by its pin, and the server knows the client, if Config.Tokens is set, by a
// token that opens it once (see package token). Packets are sealed with
// AES-128-GCM; each is accepted once. A new address of a client is believed when
// it has answered from there. docs/protocol.md has every byte, for whoever writes a
// client in another language.
//
// What this cannot do: somebody who can drop packets between client and server can keep
// them apart, and whoever sees both sides of an address change can tell by the
// connection's id that it is the same player.
//
// # Ends
//
// Close waits, for the linger at most, until all Reliable messages have been
// acknowledged, and then until the peer has heard code and reason. A peer that says
// nothing for Config.IdleTimeout is lost with core.CodeTimeout, one that acknowledges
// nothing Reliable for Config.WriteTimeout with core.CodeSlow, one that breaks the
// protocol with core.CodeProtocol. A server that was restarted with the same key says so
// to whom it no longer knows, which is core.CodeLost.
//
// # Bounds
//
// A socket costs one goroutine, a connection none. An idle connection takes about 10 KiB,
// and a hostile peer can make it take less than 2 MiB. A Listener answers at most 20,000
// strangers a second, computes at most 20 handshakes a second for an address (64 in a
// row), two at a time, and has at most 1,024 under way; 128 connections wait for Accept,
// and Config.MaxConns live. Who comes beyond that is refused in words, if it has proven
// its address. Loopback addresses have no limit of their own.
package udp
