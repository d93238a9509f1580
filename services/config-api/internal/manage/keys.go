package manage

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// APIKeys returns a page of an organization's API keys that are not revoked,
// newest first, and the cursor of the next page, "" at the end.
func (s *Service) APIKeys(ctx context.Context, organizationID string, page store.Page) ([]access.Key, string, error) {
	keys, next, err := s.Access.ListKeys(ctx, organizationID, page)
	if err != nil {
		return nil, "", fmt.Errorf("list API keys: %w", err)
	}
	return keys, next, nil
}

// CreateAPIKey makes an API key and returns it with its text, which is not kept
// and never shown again. wrong are fields already known to be wrong; the error
// is an Invalid fault with every wrong field, or a Conflict when the
// organization has access.MaxKeys keys.
func (s *Service) CreateAPIKey(ctx context.Context, by audit.Actor, organizationID, name string, wrong []fault.Field) (access.Key, string, error) {
	name = webhook.Trim(name)
	if err := invalid(wrong, webhook.CheckName("name", name)); err != nil {
		return access.Key{}, "", err
	}
	now := s.now()
	id, err := newULID(now)
	if err != nil {
		return access.Key{}, "", err
	}
	text, err := access.NewKey(rand.Reader)
	if err != nil {
		return access.Key{}, "", fmt.Errorf("make API key: %w", err)
	}
	k := access.Key{
		ID: "key_" + id, OrganizationID: organizationID, Name: name, LastCharacters: text.LastCharacters(), CreatedAt: now,
	}
	if err := s.Access.CreateKey(ctx, by, k, text.Digest(), access.MaxKeys); err != nil {
		return access.Key{}, "", fmt.Errorf("insert API key %s: %w", k.ID, err)
	}
	return k, text.Reveal(), nil
}

// RevokeAPIKey ends an API key: once it has returned, the key opens nothing any
// more. It returns NotFound, also for one that is revoked already.
func (s *Service) RevokeAPIKey(ctx context.Context, by audit.Actor, organizationID, id string) error {
	if err := s.Access.RevokeKey(ctx, by, organizationID, id, s.now()); err != nil {
		return fmt.Errorf("revoke API key %s: %w", id, err)
	}
	return nil
}

// ZapierKey returns an organization's Zapier key. The first call makes it.
func (s *Service) ZapierKey(ctx context.Context, by audit.Actor, organizationID string) (access.ZapierKey, error) {
	fresh, err := s.freshZapierKey(organizationID)
	if err != nil {
		return access.ZapierKey{}, err
	}
	k, err := s.Access.ShowZapierKey(ctx, by, fresh, fresh.CreatedAt)
	if err != nil {
		return access.ZapierKey{}, fmt.Errorf("show the Zapier key: %w", err)
	}
	return k, nil
}

// RotateZapierKey replaces an organization's Zapier key. Once it has returned,
// the old one opens nothing any more.
func (s *Service) RotateZapierKey(ctx context.Context, by audit.Actor, organizationID string) (access.ZapierKey, error) {
	fresh, err := s.freshZapierKey(organizationID)
	if err != nil {
		return access.ZapierKey{}, err
	}
	if err := s.Access.RotateZapierKey(ctx, by, fresh); err != nil {
		return access.ZapierKey{}, fmt.Errorf("rotate the Zapier key: %w", err)
	}
	return fresh, nil
}

func (s *Service) freshZapierKey(organizationID string) (access.ZapierKey, error) {
	text, err := access.NewKey(rand.Reader)
	if err != nil {
		return access.ZapierKey{}, fmt.Errorf("make Zapier key: %w", err)
	}
	return access.ZapierKey{OrganizationID: organizationID, Key: text, CreatedAt: s.now()}, nil
}
