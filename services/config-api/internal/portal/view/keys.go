package view

import (
	"github.com/dialnote/webhooks/pkg/access"
)

// Key is an API key in the list.
type Key struct {
	ID       string
	Name     string
	Ends     string // its last characters
	Created  Moment
	LastUsed Moment
}

// KeyOf returns an API key as it is listed.
func KeyOf(k access.Key, c Clock) Key {
	return Key{ID: k.ID, Name: k.Name, Ends: k.LastCharacters, Created: c.Moment(k.CreatedAt), LastUsed: c.Moment(k.LastUsedAt)}
}
