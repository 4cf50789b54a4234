package mongo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/parley-net/parley/core"
)

// said are what MongoDB says no with, by its error codes.
var said = []struct {
	codes []int
	words string
}{
	{[]int{10107, 13435, 13436, 189, 91, 11600, 11602}, "its primary is changing, or it is none: try again, and name the whole replica set in the URL"},
	{[]int{18}, "it does not know the user, or the password is wrong; authSource in the URL says which database knows the user"},
	{[]int{13}, "the user may not do that: give it the role readWrite on the database"},
	{[]int{14031}, "its disk is full"},
	{[]int{64, 100, 79}, "fewer servers than the write concern asks for have it in time, so that nobody knows whether it stays: look whether they all run"},
	{[]int{11000, 11001}, "a unique index that somebody made refuses it: drop that index"},
	{[]int{85, 86}, "an index is in the way that somebody made with other options: drop that index"},
	{[]int{121}, "a validator that somebody gave the collection refuses it: drop that"},
	{[]int{73}, "it takes no collection of this name: return another one from Config.Collections"},
	{[]int{26}, "there is no such collection or database"},
	{[]int{59, 115, 238}, "it does not know how: it must be MongoDB 4.4 or later, or work like it, also in what expires"},
	{[]int{8000, 462, 202}, "it has too much to do: try again, or write less"},
}

// explain says in words what happened while something was done, and of what kind it is.
// An err that is nil, or says that there is nothing, stays as it is. ctx is the caller's.
func (s *Sink) explain(ctx context.Context, doing string, err error) error {
	if err == nil || errors.Is(err, mongodrv.ErrNoDocuments) {
		return err
	}
	doing = fmt.Sprintf("mongo: %s in database %s", doing, s.c.Database)
	var answer mongodrv.ServerError
	var bulk mongodrv.BulkWriteException
	var cert *tls.CertificateVerificationError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: given up, so that nobody knows whether it was done: %w", doing, errors.Join(ctx.Err(), err))
	case errors.Is(err, mongodrv.ErrClientDisconnected):
		return core.Errorf(core.ErrClosed, "%s: the client was disconnected: %w", doing, err)
	case errors.As(err, &cert):
		return core.Errorf(core.ErrUntrusted, "%s: its certificate is not one to trust: %w", doing, err)
	case mongodrv.IsTimeout(err):
		return core.Errorf(core.ErrTimeout, "%s: no answer in time, so that nobody knows whether it was done; does MongoDB run, and is the address right? %w", doing, err)
	case mongodrv.IsNetworkError(err):
		return fmt.Errorf("%s: the connection broke, so that nobody knows whether it was done: %w", doing, err)
	case errors.As(err, &bulk) && len(bulk.WriteErrors) > 0:
		switch bulk.WriteErrors[0].Code {
		case 2: // BadValue: of a document, it is for good
			return core.Errorf(core.ErrUnsupported, "%s: it cannot hold a value in it: %w", doing, err)
		case 10334: // BSONObjectTooLarge
			return core.Errorf(core.ErrTooLarge, "%s: it takes no document so large: %w", doing, err)
		}
	}
	if errors.As(err, &answer) {
		for _, e := range said {
			for _, code := range e.codes {
				if answer.HasErrorCode(code) {
					return core.Errorf(core.ErrRefused, "%s: %s: %w", doing, e.words, err)
				}
			}
		}
		return core.Errorf(core.ErrRefused, "%s: it says no: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
