/**
 * Settings for a node whose limits are not what a test or a measurement is about: everybody comes from this machine, and
 * would be one greedy stranger.
 */

/** No limit per buyer, address, network or connection. Limits that are off by themselves stay so. */
export const OPEN_LIMITS = Object.freeze({
  RATE_BUYER_PER_S: "0",
  RATE_BUYER_PER_MIN: "0",
  RATE_IP_PER_S: "0",
  RATE_NETWORK_PER_S: "0",
  CONNECTIONS_PER_IP: "0",
});
