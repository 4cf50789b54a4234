// Package parley is the front door of a toolkit for networking multiplayer games:
// it wires the default transport and codec for a first game.
//
//	type Knight struct { // shared by server and client
//		state.Object
//		Name string
//		Gold state.Var[int]
//	}
//
//	var (
//		Dig    = rpc.ToServer[*Knight, int]("dig")
//		Schema = state.NewSchema(state.Class[Knight](), Dig)
//	)
//
//	func match(r *server.Room) error { // on the server
//		r.OnJoin(func(p *server.Player) {
//			state.SpawnFor(r.World(), p.ID(), &Knight{Name: "Ann"})
//		})
//		Dig.Handle(r, func(k *Knight, from rpc.Caller, n int) {
//			k.Gold.Set(k.Gold.Get() + n)
//		})
//		for range r.Ticks() {
//		}
//		return nil
//	}
//
//	parley.Serve(ctx, ":7777", parley.Server{Schema: Schema, Match: match})
//
//	c, err := parley.Dial(ctx, "localhost:7777", parley.Client{Schema: Schema}) // on a client
//	for range c.Frames(60) {
//		for k := range state.All[*Knight](c.World()) {
//			if k.IsMine() {
//				Dig.Call(k, 1)
//			}
//		}
//	}
//
// The server is the authority: its match changes objects, and they change on every
// client. Package state has the shared objects, rpc the calls and events, lobby the
// players, server and client the two ends; core has the contracts that transports,
// codecs and sinks keep. What Serve and Dial choose for you is two fields, Transport
// and Codec; a program that wants more takes package server and package client
// directly.
package parley
