/** When it was published. */
export const metaSourcesDate = '2024-12-11';

/**
 * The addresses Meta's SIP servers call from: the IPv4 prefixes of AS32934 that Meta publishes.
 * Source: META-SIP.md §3 "Source IPs" (list of 2024-12-11; Meta changes it, so a file may give its own list).
 */
export const metaSources: readonly string[] = Object.freeze([
  '31.13.24.0/21', '31.13.64.0/18', '45.64.40.0/22', '57.141.0.0/21', '57.141.8.0/22', '57.141.12.0/23',
  '57.144.0.0/14', '66.220.144.0/20', '69.63.176.0/20', '69.171.224.0/19', '74.119.76.0/22', '102.132.96.0/20',
  '103.4.96.0/22', '129.134.0.0/16', '147.75.208.0/20', '157.240.0.0/16', '163.70.128.0/17', '163.77.128.0/17',
  '173.252.64.0/18', '179.60.192.0/22', '185.60.216.0/22', '185.89.216.0/22', '204.15.20.0/22',
]);
