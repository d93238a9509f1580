package portal

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// A page receives changes only from a moment after it was rendered. So its live
// request has a digest of what it shows: when that is out of date, the page is
// reloaded.

// cardsDigest returns the digest of an organization's webhooks.
func cardsDigest(views []manage.View) string {
	h := fnv.New64a()
	for _, v := range views {
		held := int64(-1)
		if v.Held != nil {
			held = *v.Held
		}
		v.Secret = ""
		_, _ = fmt.Fprintf(h, "%s %d %d %+v %v\n", v.ID, v.Version, held, v.Health, v.Health.LastError) // a hash never fails to write
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// deliveryDigest returns the digest of the latest activity of a webhook, or of
// one of its deliveries.
func deliveryDigest(list []store.LoggedDelivery) string {
	if len(list) == 0 {
		return "none"
	}
	return list[0].ID + "." + strconv.FormatInt(list[0].UpdatedAt.UnixMicro(), 36) + "." + string(list[0].Status)
}

// digest returns the digest of what a page would show now, "" when that cannot be
// read.
func (p *Portal) digest(ctx context.Context, org, webhookID, deliveryID string) string {
	if webhookID == "" {
		views, err := p.webhooks(ctx, org)
		if err != nil {
			return ""
		}
		return cardsDigest(views)
	}
	list, _, err := p.Service.ListDeliveries(ctx, org, webhookID, store.DeliveryFilter{DeliveryID: deliveryID}, store.Page{Limit: 1})
	if err != nil {
		return ""
	}
	return deliveryDigest(list)
}

// liveOf returns the address of the changes that a page follows: of the cards,
// or of one webhook's deliveries, or of one delivery.
func liveOf(webhookID, deliveryID, seen string) string {
	q := url.Values{"seen": {seen}}
	if webhookID != "" {
		q.Set("webhook", webhookID)
	}
	if deliveryID != "" {
		q.Set("delivery", deliveryID)
	}
	return "/portal/live?" + q.Encode()
}
