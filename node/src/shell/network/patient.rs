//! Time for a stream's protocol to be agreed on. libp2p gives every stream ten seconds, which a link with a delay of ten
//! seconds (the largest that [`link`](super::link) takes) uses up before the first byte arrives.
//!
//! A [`NetworkBehaviour`] around another that changes this one thing. How many streams may be in that state at once is
//! bounded by libp2p for each connection.

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll};
use std::time::Duration;

/// Time for a stream's protocol to be agreed on: three ways of twenty seconds each (delay and jitter at their largest).
pub const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(60);

/// A behaviour whose streams have [`NEGOTIATION_TIMEOUT`].
pub struct Patient<B>(pub B);

/// A handler whose streams have [`NEGOTIATION_TIMEOUT`].
pub struct PatientHandler<H>(H);

impl<B> Deref for Patient<B> {
    type Target = B;
    fn deref(&self) -> &B {
        &self.0
    }
}
impl<B> DerefMut for Patient<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.0
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Patient<B> {
    type ConnectionHandler = PatientHandler<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.0.handle_pending_inbound_connection(connection, local, remote)
    }
    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.0.handle_established_inbound_connection(connection, peer, local, remote).map(PatientHandler)
    }
    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.0.handle_pending_outbound_connection(connection, peer, addresses, role)
    }
    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.0.handle_established_outbound_connection(connection, peer, address, role, port).map(PatientHandler)
    }
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.0.on_swarm_event(event);
    }
    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.0.on_connection_handler_event(peer, connection, event);
    }
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.0.poll(cx)
    }
}

impl<H: ConnectionHandler> ConnectionHandler for PatientHandler<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = H::InboundProtocol;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<H::InboundProtocol, H::InboundOpenInfo> {
        self.0.listen_protocol().with_timeout(NEGOTIATION_TIMEOUT)
    }
    fn connection_keep_alive(&self) -> bool {
        self.0.connection_keep_alive()
    }
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<H::OutboundProtocol, H::OutboundOpenInfo, H::ToBehaviour>> {
        self.0.poll(cx).map(|event| match event {
            ConnectionHandlerEvent::OutboundSubstreamRequest { protocol } => {
                ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol: protocol.with_timeout(NEGOTIATION_TIMEOUT),
                }
            }
            other => other,
        })
    }
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<H::ToBehaviour>> {
        self.0.poll_close(cx)
    }
    fn on_behaviour_event(&mut self, event: H::FromBehaviour) {
        self.0.on_behaviour_event(event);
    }
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, H::InboundProtocol, H::OutboundProtocol, H::InboundOpenInfo, H::OutboundOpenInfo>,
    ) {
        self.0.on_connection_event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::network::link::{DELAY_MS_MAX, JITTER_MS_MAX};
    use libp2p::ping;

    #[test]
    fn a_stream_has_time_for_three_ways_over_the_slowest_link() {
        let mut behaviour = Patient(ping::Behaviour::default());
        let address = "/memory/1".parse::<Multiaddr>().expect("address");
        let id = ConnectionId::new_unchecked(1);
        let handler = behaviour
            .handle_established_inbound_connection(id, PeerId::random(), &address, &address)
            .expect("ping takes everybody");
        let timeout = *handler.listen_protocol().timeout();
        assert!(timeout >= 3 * Duration::from_millis(u64::from(DELAY_MS_MAX + JITTER_MS_MAX)), "{timeout:?}");
    }
}
