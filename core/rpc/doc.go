// Package rpc makes calls on shared objects, and sends events.
//
//	// shared by server and client
//	type Kick struct{ Power float64 }
//
//	var (
//		KickBall = rpc.ToServer[*Footballer, Kick]("kick")
//		Cheer    = rpc.ToClients[*Footballer, string]("cheer")
//		Schema   = state.NewSchema(state.Class[Footballer](), KickBall, Cheer)
//	)
//
//	// in the match
//	KickBall.Handle(room, func(p *Footballer, from rpc.Caller, k Kick) {
//		ball.Push(p, k.Power)
//		Cheer.CallAll(p, "what a shot")
//	})
//
//	// on a client
//	KickBall.Call(me, Kick{Power: 3})
//
// A call is declared once, has one argument value, and is handled where the match
// is, so that its handler sees the match's variables (thesis §5.2.3). Clients make
// calls to the server on objects of their own; the server checks that by the
// connection that a call came from. The server makes calls to an object's owner, to
// everyone or to chosen players. Calls are Reliable unless declared otherwise:
// Reliable ones on one object arrive in the order in which they were made, and never
// before the object itself.
//
// A call leaves at once, while variables travel with the next update: what a
// handler needs to know of a change goes into the arguments.
//
// Events are for what belongs to no object and to no schema: a name with any value
// that the codec takes.
//
//	rpc.On(room, "chat", func(from rpc.Caller, text string) { room.Emit("chat", text) })
//
// # What comes in
//
// Handlers run on the goroutine of the room or the client, one at a time, while it waits
// for its next tick or frame. Of calls and events that come in, none can do harm: who
// called is known from the connection, the owner is checked where the call arrives,
// bytes that are no arguments of this call are refused, and a handler's panic ends that
// call only. All of it is counted, see server.Stats and client.Stats.
//
// # Without a network
//
// On the server a call to the server runs at once, so that a match can use its own rules.
// Rules can be tested with no server at all: see Table and the package's example.
package rpc
