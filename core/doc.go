// Package core is the contract of parley: three small interfaces, their errors
// and their laws. It contains no I/O and no game logic, and it imports nothing
// but the standard library.
//
//	      game code        (your program)
//	          │
//	  server · client      core/server, core/client: ticks, sessions, rooms
//	  rpc · lobby · state  core/rpc, core/lobby, core/state: what a game is made of
//	          │
//	┌─────────┴──────────────── package core ────────────────────────┐
//	│  Transport, Listener, Conn      Codec        SnapshotSink      │
//	└─────────┬───────────────────────┬───────────────┬──────────────┘
//	 transport/{mem,tcp,udp,…}      codec        sink/{mem,file,…}
//
// A Transport moves whole messages between two processes with one of two
// deliveries, Unreliable and Reliable. A Codec turns values into bytes and
// back. A SnapshotSink keeps the state and the events of a match.
//
// Each method's comment states its laws with the word must: what the adapter
// must do, and what the caller must do. Package conformance checks the laws; an
// adapter of your own is right when it passes.
//
// An adapter may offer more than the contract asks. Such an ability is an
// interface of one method (Flusher, Dropper, Identifier, Pinner); callers find it
// with As, which looks through wrappers.
package core
