// Package netsim is a bad network with a seed: it wraps any core.Transport and
// loses, delays and reorders what its Conns carry.
//
//	network := new(mem.Transport)
//	l, err := network.Listen(ctx, "arena")
//	...
//	mobile := netsim.Wrap(network, netsim.Link{
//		Latency: 60 * time.Millisecond,
//		Jitter:  20 * time.Millisecond,
//		Loss:    0.02,
//	}, 1)
//	conn, err := mobile.Dial(ctx, "arena") // a bad connection, both ways
//	...
//	mobile.Blackout(3 * time.Second) // the lift
//
// Wrap what the dialers use, as above, and both directions of their connections
// are bad; the Listener needs no wrapping, and wrapping it too changes nothing:
//
//	Send ──▶ [ up: lost? late? ] ──▶ inner Conn ──▶ ┐
//	                                                │ any Listener
//	Recv ◀── [ down: lost? late? ] ◀── inner Conn ◀─┘
//
// The laws of core.Conn hold for a wrapped Conn. Reliable messages are late but
// neither lost nor reordered, queues are bounded, and Close lets what was sent
// before it arrive. Nothing is duplicated or altered, which the contract forbids
// above a Transport.
//
// To lose what comes in, netsim must know how it was sent, and core.Conn.Recv does
// not tell: inner Conns with the ability Teller do (those of transport/mem, and of
// netsim itself). What comes in over other Conns is taken for Reliable: delayed and
// never lost. To lose both ways there, wrap both sides with AtSender.
//
// # One seed, one run
//
// Each direction of each connection has its own generator, made from the seed and
// the connection's number (the first Dial that succeeds is 0). It is drawn from
// once for every message, so the same sends meet the same fate whatever other
// connections do. Time is time.Now and timers: real, or the virtual time of a
// testing/synctest bubble, in which a run with the same seed is the same run when
// the Transport is made in the bubble and dials come in a fixed order.
package netsim
