// Package mem is a network inside the process: the reference adapter, for
// tests, for bots and for a game that serves its own single player.
//
//	network := new(mem.Transport) // a private network; the zero value is ready
//	l, err := network.Listen(ctx, "lobby")
//	...
//	conn, err := network.Dial(ctx, "lobby") // the other end comes from l.Accept
//	...
//	conn.Send(core.Reliable, []byte("hello"))
//
// It keeps every law of package core and fails like a real adapter: a dial to
// nobody is refused, a full backlog makes dialers wait, messages have a largest
// size, queues are bounded, and a Close is seen by the peer after what was sent
// before it. What it does not do is lose, delay or reorder: for that, wrap it in
// package conformance/netsim.
//
//	          Transport
//	Dial ──▶ backlog ──▶ Accept
//	 │                     │
//	Conn ── queue ───────▶ Conn
//	 ◀────────── queue ────┘
//
// Pipe makes just a connection. An adapter may keep its queues in one: see
// examples/adapter.
//
// Nothing is written to a socket and nothing is waited for but the peer, so a
// steady stream of messages allocates nothing. The package starts no goroutines
// and sets no timers. It works inside a testing/synctest bubble when the Transport
// is made in that bubble.
package mem
