"""The one public interface: HTTP and WebSocket."""
