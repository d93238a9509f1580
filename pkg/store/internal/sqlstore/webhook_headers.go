package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// keptHeader is a header as it is sealed: with its value in plain.
type keptHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// headersPlace is what the seal of a webhook's headers is bound to.
func headersPlace(webhookID string) []byte { return []byte("headers of " + webhookID) }

// sealHeaders returns a webhook's headers as they are kept, nil without any.
func (s *Store) sealHeaders(w webhook.Webhook) ([]byte, error) {
	if len(w.Headers) == 0 {
		return nil, nil
	}
	kept := make([]keptHeader, 0, len(w.Headers))
	for _, h := range w.Headers {
		kept = append(kept, keptHeader{Name: h.Name, Value: h.Value.Reveal()})
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("write headers: %w", err)
	}
	sealed, err := s.Box.Seal(text, headersPlace(w.ID))
	if err != nil {
		return nil, fmt.Errorf("seal headers: %w", err)
	}
	return sealed, nil
}

// resealHeaders returns the headers of an updated webhook as they are kept, and
// those that did not change as they were.
func (s *Store) resealHeaders(before, after webhook.Webhook, sealed []byte) ([]byte, error) {
	if slices.Equal(before.Headers, after.Headers) {
		return sealed, nil
	}
	return s.sealHeaders(after)
}

// openHeaders returns what sealHeaders made.
func (s *Store) openHeaders(row WebhookRow) ([]webhook.Header, error) {
	if len(row.Headers) == 0 {
		return nil, nil
	}
	text, err := s.Box.Open(row.Headers, headersPlace(row.ID))
	if err != nil {
		return nil, fmt.Errorf("open headers of webhook %s: %w", row.ID, err)
	}
	var kept []keptHeader
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("the headers of webhook %s cannot be read", row.ID) // the cause would show them
	}
	headers := make([]webhook.Header, 0, len(kept))
	for _, h := range kept {
		headers = append(headers, webhook.Header{Name: h.Name, Value: webhook.HeaderValue(h.Value)})
	}
	return headers, nil
}
